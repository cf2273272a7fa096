//! Views on PostgreSQL are committed without waiting for the disk, so a crash of the server may take
//! the last commits back. Every process notices that before it reads anything, and folds again.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cqrs_core::store::{
    BoxFuture, Checkpoint, Epoch, Incarnation, ModelSchema, Shard, StoreError, ViewBatch,
    ViewCommitError, ViewStore,
};
use cqrs_core::{Dispatcher, Memory, Position, Receipt};
use cqrs_postgres::Postgres;
use test_postgres::Server;
use tokio::task::spawn_blocking;
use tokio_postgres::{Client, NoTls};

use crate::follow::{BalanceOf, Deposit, module, quiet};
use crate::support::decorated::{Decorated, Hooks};
use crate::view_commits::{batch, model, put};

/// How long anything takes at most, once the server is back.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a server loses what it has not flushed.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// All of its processes are killed, and it is started again.
    Server,
    /// One of its processes is killed. The others begin again by themselves, under the same
    /// postmaster.
    Backend,
}

async fn connect(server: &Server) -> (Client, tokio::task::JoinHandle<()>) {
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls)
        .await
        .expect("connects");
    let driver = tokio::spawn(async move {
        let _ = connection.await;
    });
    (client, driver)
}

/// A server that flushes its log for commits that wait for that, and otherwise every ten seconds.
async fn lazy_server(test: &'static str) -> Option<Arc<Server>> {
    let server = spawn_blocking(move || Server::private(test)).await;
    let server = Arc::new(server.expect("it is started")?);
    let (client, _) = connect(&server).await;
    let lazily = client.batch_execute("ALTER SYSTEM SET wal_writer_delay = '10s'");
    lazily.await.expect("it can be set");
    crash(&server, Crash::Server).await;
    Some(server)
}

/// Returns when the server has crashed, and is back.
async fn crash(server: &Arc<Server>, crash: Crash) {
    let (client, ended) = connect(server).await;
    match crash {
        Crash::Server => {
            let server = server.clone();
            let restarted = spawn_blocking(move || {
                server.kill();
                server.restart();
            });
            restarted.await.expect("it is restarted");
        }
        Crash::Backend => {
            let select = "SELECT pg_backend_pid()::text";
            let (victim, _) = connect(server).await;
            let row = victim.query_one(select, &[]).await.expect("an answer");
            let killed = Command::new("kill").args(["-9", row.get(0)]).status();
            assert!(killed.expect("it is killed").success());
        }
    }
    // Every connection ends with the crash.
    ended.await.expect("it ends");
    drop(client);
    let deadline = Instant::now() + PATIENCE;
    while tokio_postgres::connect(server.url(), NoTls).await.is_err() {
        assert!(Instant::now() < deadline, "the server is not back");
    }
}

async fn store(server: &Server) -> Postgres {
    let store = Postgres::connect(server.url()).await;
    store.expect("PostgreSQL can be connected to")
}

async fn checkpoint(store: &Postgres, subscription: &str) -> Option<Position> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store.checkpoint(&Shard::whole(subscription)).await {
            Ok(found) => return found.map(|Checkpoint { position, .. }| position),
            // The first exchange may find out that its connection is lost.
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_takes_back_views_begins_another_incarnation_of_them() {
    const TEST: &str = "a_crash_that_takes_back_views_begins_another_incarnation_of_them";
    let Some(server) = lazy_server(TEST).await else {
        return;
    };
    let (writer, other) = (store(&server).await, store(&server).await);
    let options = Postgres::options().read_url(server.url());
    let flushing = options.connect(server.url()).await.expect("connects");
    let cards = model("cards", &["rank"]);
    let prepared = writer.prepare(vec![(*cards).clone()]).await;
    prepared.expect("the model is prepared");
    for kind in [Crash::Server, Crash::Backend] {
        let subscription = format!("projection:{kind:?}");
        let in_incarnation = |incarnation: Incarnation, batch: ViewBatch| ViewBatch {
            shard: Shard::whole(&*subscription),
            epoch: Epoch::UNCLAIMED,
            incarnation,
            ..batch
        };
        for (number, store) in [(1, &flushing), (2, &writer)] {
            let key = format!("{kind:?}{number}");
            let from = (number > 1).then_some(number - 1);
            let batch = batch(from, number, vec![put(&cards, &key)]);
            // By this, it knows of the crash before.
            assert_eq!(
                checkpoint(store, &subscription).await,
                from.map(Position::new)
            );
            let incarnation = store.view_incarnation();
            let committed = store.commit(in_incarnation(incarnation, batch)).await;
            committed.expect("it is committed");
        }
        assert_eq!(
            checkpoint(&other, &subscription).await,
            Some(Position::new(2))
        );
        let before = writer.view_incarnation();
        let others = other.view_incarnation();
        crash(&server, kind).await;
        // Checkpoint and view are taken back together, and what a commit waited for is there.
        let keys = [1, 2].map(|number| format!("{kind:?}{number}"));
        assert_eq!(
            checkpoint(&writer, &subscription).await,
            Some(Position::new(1))
        );
        let found = writer.load(cards.clone(), keys.to_vec()).await;
        let found = found.expect("views can be loaded");
        assert_eq!(found[0].as_deref(), Some(keys[0].as_bytes()));
        assert_eq!(found[1], None, "{kind:?}: the crash took nothing back");
        // Whoever has read from the server since knows it.
        let after = writer.view_incarnation();
        assert_ne!(after, before, "{kind:?}");
        assert_eq!(
            checkpoint(&other, &subscription).await,
            Some(Position::new(1))
        );
        assert_ne!(other.view_incarnation(), others, "{kind:?}");
        // V2: a batch on views of before the crash writes nothing, wherever it begins.
        for from in [1, 2] {
            let changes = vec![put(&cards, &keys[1])];
            let stale = in_incarnation(before, batch(Some(from), 3, changes));
            let refused = writer.commit(stale).await;
            let found = match refused {
                Err(ViewCommitError::Moved { found }) => found,
                other => panic!("{kind:?} from {from}: {other:?}"),
            };
            assert_eq!(found, Some(Position::new(1)));
        }
        let again = batch(Some(1), 2, vec![put(&cards, &keys[1])]);
        let committed = writer.commit(in_incarnation(after, again)).await;
        committed.expect("it is committed");
    }
}

async fn app(server: &Server) -> Dispatcher {
    let builder = quiet(Dispatcher::builder()).module(module());
    let app = builder.store(store(server).await).build().await;
    app.expect("builds")
}

async fn deposit(app: &Dispatcher) -> Receipt {
    let (account, cents) = (1, 5);
    let deposited = app.execute(Deposit { account, cents }).await;
    deposited.expect("deposits")
}

/// Asks until there is an answer, and returns the number of deposits that the read model counts.
async fn deposits(app: &Dispatcher, receipt: &Receipt) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match app.query(BalanceOf { account: 1 }).after(receipt).await {
            Ok(found) => return found.map_or(0, |balance| balance.deposits),
            // It met the crash.
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_never_reads_views_from_before_the_write_that_a_crash_took_back() {
    const TEST: &str = "a_query_never_reads_views_from_before_the_write_that_a_crash_took_back";
    let Some(server) = lazy_server(TEST).await else {
        return;
    };
    let apps = [app(&server).await, app(&server).await];
    for round in 1..=6 {
        // Each of them folds some of the events, and both believe that all are folded.
        let receipt = deposit(&apps[usize::from(round % 2 == 0)]).await;
        for app in &apps {
            assert_eq!(deposits(app, &receipt).await, round);
        }
        let kind = if round % 3 == 0 {
            Crash::Backend
        } else {
            Crash::Server
        };
        crash(&server, kind).await;
        for app in &apps {
            assert_eq!(deposits(app, &receipt).await, round, "after {kind:?}");
        }
    }
}

/// Finds out with the next load that the views are not those that were known.
#[derive(Default)]
struct Losing {
    incarnation: Mutex<Incarnation>,
    loses: AtomicBool,
    checkpoints: AtomicU32,
}

impl<S: ViewStore> Hooks<S> for Losing {
    fn checkpoint<'a>(
        &'a self,
        store: &'a S,
        shard: &Shard,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, StoreError>> {
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
        store.checkpoint(shard)
    }

    fn load<'a>(
        &'a self,
        store: &'a S,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        if self.loses.swap(false, Ordering::Relaxed) {
            let mut known = self.incarnation.lock().expect("nobody panics with it");
            *known = known.next();
        }
        store.load(model, keys)
    }

    fn view_incarnation(&self, _: &S) -> Incarnation {
        *self.incarnation.lock().expect("nobody panics with it")
    }
}

#[tokio::test]
async fn a_query_that_meets_a_loss_is_asked_again_once_the_checkpoint_is_read_again() {
    let store = Arc::new(Decorated {
        store: Arc::new(Memory::new()),
        hooks: Losing::default(),
    });
    let builder = quiet(Dispatcher::builder()).module(module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    let receipt = deposit(&app).await;
    assert_eq!(deposits(&app, &receipt).await, 1);
    let lose = || {
        store.loses.store(true, Ordering::Relaxed);
        store.checkpoints.load(Ordering::Relaxed)
    };
    let before = lose();
    let query = app.query(BalanceOf { account: 1 }).after(&receipt);
    let found = query.await.expect("an answer");
    assert_eq!(found.map(|balance| balance.deposits), Some(1));
    assert!(store.checkpoints.load(Ordering::Relaxed) > before);
    let before = lose();
    let named = app.query_json("BalanceOf", br#"{"account":1}"#);
    let found = named.after(&receipt).await.expect("an answer");
    assert_eq!(found["deposits"], 1);
    assert!(store.checkpoints.load(Ordering::Relaxed) > before);
    // Unless it has no time for that.
    lose();
    let query = app.query(BalanceOf { account: 1 }).after(&receipt);
    let error = query.max_wait(Duration::ZERO).await.expect_err("no time");
    assert!(error.to_string().contains("ask again"), "{error}");
    assert_eq!(deposits(&app, &receipt).await, 1);
    // A query that waits for nothing is promised nothing.
    lose();
    let found = app.query(BalanceOf { account: 1 }).await;
    assert_eq!(
        found.expect("found").map(|balance| balance.deposits),
        Some(1)
    );
}
