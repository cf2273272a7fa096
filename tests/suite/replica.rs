//! Queries on a replica, which is behind: a query that says after what, waits for it.

use std::time::Duration;

use cqrs_core::error::QueryErrorKind;
use cqrs_core::{Dispatcher, Receipt};
use cqrs_postgres::{ConnectError, Postgres};
use test_postgres::Server;
use tokio::task::spawn_blocking;
use tokio_postgres::{Client, NoTls};

use crate::follow::{BalanceOf, Deposit, module, quiet};

async fn connect(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls)
        .await
        .expect("connects");
    tokio::spawn(connection);
    client
}

async fn deposit(app: &Dispatcher) -> Receipt {
    let command = Deposit {
        account: 1,
        cents: 5,
    };
    app.execute(command).await.expect("deposits")
}

/// A server, a standby of it, and a dispatcher that queries the standby.
struct World {
    app: Dispatcher,
    replica: Client,
    primary: Server,
    standby: Server,
}

impl World {
    /// `None` where there is no PostgreSQL.
    async fn start(test: &'static str) -> Option<Self> {
        let servers = spawn_blocking(move || {
            let primary = Server::private(test)?;
            let standby = primary.standby();
            Some((primary, standby))
        });
        let (primary, standby) = servers.await.expect("they start")?;
        // The tables are there before the replica is connected to.
        drop(Postgres::connect(primary.url()).await.expect("connects"));
        let replica = connect(&standby).await;
        let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'head'";
        crate::outage::until(|| async {
            let row = replica.query_one(there, &[]).await.expect("an answer");
            row.get::<_, i64>(0) == 1
        })
        .await;
        Some(Self {
            app: app(&primary, &standby).await,
            replica,
            primary,
            standby,
        })
    }

    async fn pause(&self) {
        let pause = self.replica.batch_execute("SELECT pg_wal_replay_pause()");
        pause.await.expect("it pauses");
    }

    async fn stop(self) {
        let Self {
            app,
            primary,
            standby,
            ..
        } = self;
        drop(app);
        let stop = spawn_blocking(move || drop((standby, primary)));
        stop.await.expect("they stop");
    }
}

async fn app(primary: &Server, standby: &Server) -> Dispatcher {
    let store = Postgres::options().read_url(standby.url());
    let store = store.connect(primary.url()).await.expect("connects");
    let builder = quiet(Dispatcher::builder()).module(module());
    builder.store(store).build().await.expect("builds")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_waits_for_the_replica() {
    let Some(world) = World::start("a_query_waits_for_the_replica").await else {
        return;
    };
    let World { app, replica, .. } = &world;
    let balance = || BalanceOf { account: 1 };

    let receipt = deposit(app).await;
    let found = app.query(balance()).after(&receipt).await.expect("found");
    assert_eq!(found.map(|it| it.cents), Some(5));

    world.pause().await;
    let receipt = deposit(app).await;
    let behind = app.query(balance()).after(&receipt);
    let behind = behind.max_wait(Duration::from_millis(300)).await;
    let behind = behind.expect_err("it waits");
    assert!(matches!(behind.kind(), QueryErrorKind::NotCaughtUp(_)));
    let text = behind.to_string();
    assert!(text.contains("has not replicated it yet"), "{text}");
    // A query that does not wait gets the current data of the replica.
    let old = app.query(balance()).await.expect("found");
    assert_eq!(old.map(|it| it.cents), Some(5));

    let waiting = app.query(balance()).after(&receipt);
    let resume = replica.batch_execute("SELECT pg_wal_replay_resume()");
    let (found, resumed) = tokio::join!(waiting, resume);
    resumed.expect("it goes on");
    assert_eq!(found.expect("found").map(|it| it.cents), Some(10));
    world.stop().await;
}

/// Otherwise the last change would be missed: nothing tells when it is on the replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_query_waits_for_the_replica() {
    let Some(world) = World::start("a_watched_query_waits_for_the_replica").await else {
        return;
    };
    let World { app, replica, .. } = &world;
    let receipt = deposit(app).await;
    let mut balances = app.watch(BalanceOf { account: 1 }).after(&receipt);
    let first = balances.next().await.expect("goes on").expect("found");
    assert_eq!(first.output.map(|it| it.cents), Some(5));

    world.pause().await;
    deposit(app).await;
    let mut balances = balances.max_wait(Duration::from_millis(300));
    let behind = balances.next().await.expect("goes on");
    let behind = behind.expect_err("it waits");
    assert!(matches!(behind.kind(), QueryErrorKind::NotCaughtUp(_)));
    let resume = replica.batch_execute("SELECT pg_wal_replay_resume()");
    resume.await.expect("it goes on");
    let found = loop {
        if let Ok(answer) = balances.next().await.expect("goes on") {
            break answer.output;
        }
    };
    assert_eq!(found.map(|it| it.cents), Some(10));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_does_not_fold_on_what_the_replica_has() {
    let Some(world) = World::start("a_projection_does_not_fold_on_what_the_replica_has").await
    else {
        return;
    };
    let balance = || BalanceOf { account: 1 };
    let receipt = deposit(&world.app).await;
    let found = world.app.query(balance()).after(&receipt);
    found.await.expect("the replica has the view");
    world.pause().await;
    deposit(&world.app).await;
    // One that has no view in memory.
    let builder = quiet(Dispatcher::builder()).module(module());
    let store = Postgres::connect(world.primary.url()).await;
    let primary = builder.store(store.expect("connects")).build().await;
    let primary = primary.expect("builds");
    let seen = primary
        .query(balance())
        .after(&deposit(&primary).await)
        .await;
    assert_eq!(seen.expect("found").map(|it| it.cents), Some(15));
    drop(primary);
    let World {
        app: before,
        replica,
        primary,
        standby,
    } = world;
    drop(before);
    let restarted = app(&primary, &standby).await;
    let receipt = deposit(&restarted).await;
    let waiting = restarted.query(balance()).after(&receipt);
    let resume = async {
        let is_done = || async { restarted.health().subscriptions[0].position >= receipt.last() };
        crate::outage::until(is_done).await;
        let resume = replica.batch_execute("SELECT pg_wal_replay_resume()");
        resume.await.expect("it goes on");
    };
    let (found, ()) = tokio::join!(waiting, resume);
    assert_eq!(found.expect("found").map(|it| it.cents), Some(20));
    let world = World {
        app: restarted,
        replica,
        primary,
        standby,
    };
    world.stop().await;
}

/// As after a failover to the standby that the primary has survived: both have grown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_do_not_read_a_replica_of_another_log() {
    let Some(world) = World::start("queries_do_not_read_a_replica_of_another_log").await else {
        return;
    };
    let World { app, replica, .. } = &world;
    let balance = || BalanceOf { account: 1 };
    let receipt = deposit(app).await;
    let found = app.query(balance()).after(&receipt).await.expect("found");
    assert_eq!(found.map(|it| it.cents), Some(5));

    let promote = replica.batch_execute("SELECT pg_promote()");
    promote.await.expect("it is promoted");
    // It has no log of its own yet, and lacks what the primary records from now on.
    let receipt = deposit(app).await;
    let behind = app.query(balance()).after(&receipt);
    let behind = behind.max_wait(Duration::from_millis(300)).await;
    let behind = behind.expect_err("it is not there");
    assert!(matches!(behind.kind(), QueryErrorKind::NotCaughtUp(_)));
    let options = || Postgres::options().retry_timeout(Duration::from_secs(5));
    let other = options().connect(world.standby.url()).await;
    let other = quiet(Dispatcher::builder())
        .module(module())
        .store(other.expect("connects"));
    let other = other.build().await.expect("builds");
    let receipt = deposit(&other).await;
    let found = other.query(balance()).after(&receipt).await;
    assert_eq!(found.expect("found").map(|it| it.cents), Some(10));
    deposit(&other).await;
    drop(other);
    let receipt = deposit(app).await;
    // One that waits for the replica notices that it was promoted, though its connections are open.
    let error = app.query(balance()).after(&receipt).await;
    let text = error.expect_err("it is another log").to_string();
    assert!(text.contains("a copy of another log"), "{text}");

    // Its connections end, as at a failover.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    replica.batch_execute(end).await.expect("they end");
    let error = loop {
        // One of the pool may have to be tried to be found closed.
        match app.query(balance()).await {
            Err(error) if error.to_string().contains("`read_url`") => break error,
            Err(_) => {}
            Ok(found) => panic!("{found:?}"),
        }
    };
    let text = error.to_string();
    assert!(text.contains("a copy of another log"), "{text}");
    let connected = options().read_url(world.standby.url());
    let connected = connected.connect(world.primary.url()).await;
    assert!(
        matches!(connected, Err(ConnectError::OtherLog)),
        "{connected:?}"
    );
    world.stop().await;
}
