//! Queries on a replica, which is behind: a query that says after what, waits for it.

use std::time::Duration;

use cqrs_core::error::QueryError;
use cqrs_core::{Dispatcher, Receipt};
use cqrs_postgres::Postgres;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_waits_for_the_replica() {
    const TEST: &str = "a_query_waits_for_the_replica";
    let servers = spawn_blocking(|| {
        let primary = Server::private(TEST)?;
        let standby = primary.standby();
        Some((primary, standby))
    });
    let Some((primary, standby)) = servers.await.expect("they start") else {
        return;
    };
    // The tables are there before the replica is connected to.
    drop(Postgres::connect(primary.url()).await.expect("connects"));
    let replica = connect(&standby).await;
    let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'head'";
    crate::outage::until(|| async {
        let row = replica.query_one(there, &[]).await.expect("an answer");
        row.get::<_, i64>(0) == 1
    })
    .await;
    let store = Postgres::options().read_url(standby.url());
    let store = store.connect(primary.url()).await.expect("connects");
    let builder = quiet(Dispatcher::builder()).module(module());
    let app = builder.store(store).build().await.expect("builds");
    let balance = || BalanceOf { account: 1 };

    let receipt = deposit(&app).await;
    let found = app.query(balance()).after(&receipt).await.expect("found");
    assert_eq!(found.map(|it| it.cents), Some(5));

    replica
        .batch_execute("SELECT pg_wal_replay_pause()")
        .await
        .expect("it pauses");
    let receipt = deposit(&app).await;
    let behind = app.query(balance()).after(&receipt);
    let behind = behind.within(Duration::from_millis(300)).await;
    let Err(QueryError::Behind(behind)) = behind else {
        panic!("it did not wait: {behind:?}");
    };
    let text = behind.to_string();
    assert!(text.contains("has not replicated it yet"), "{text}");
    // One that asks for nothing gets what is there.
    let old = app.query(balance()).await.expect("found");
    assert_eq!(old.map(|it| it.cents), Some(5));

    let waiting = app.query(balance()).after(&receipt);
    let resume = replica.batch_execute("SELECT pg_wal_replay_resume()");
    let (found, resumed) = tokio::join!(waiting, resume);
    resumed.expect("it goes on");
    assert_eq!(found.expect("found").map(|it| it.cents), Some(10));
    drop(app);
    let stop = spawn_blocking(move || drop((standby, primary)));
    stop.await.expect("they stop");
}
