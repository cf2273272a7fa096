//! Futures that are dropped at any point leave no transaction open on a connection of PostgreSQL,
//! and no reader uses an outdated snapshot.

mod readers;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use cqrs_core::store::{
    Epoch, EventLogExt, HasReader as _, Incarnation, LogTransaction as _, ModelSchema, Shard,
    Transactional as _, ViewBatch, ViewChange, ViewStore,
};
use cqrs_postgres::Postgres;
use tokio_postgres::Client;

use crate::outage::until;
use crate::outage::writer::{account, append};
use crate::support::postgres::Schema;

/// Polls the future at most so many times, each time it is woken, and drops it. Returns what it
/// returned if it was ready by then.
pub async fn poll_times<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A store with one connection in each pool, and a table with one row beside it.
struct Scene {
    store: Postgres,
    client: Client,
    schema: Schema,
}

impl Scene {
    /// `None` where there is no PostgreSQL.
    async fn start(test: &str) -> Option<Self> {
        let schema = Schema::fresh(test, Postgres::options().pool_size(1))?;
        let options = schema.options().application_name(schema.name());
        let store = options.connect(schema.url()).await.expect("connects");
        let client = schema.client().await;
        let table = format!(
            "CREATE TABLE {0}.counter (n bigint NOT NULL); INSERT INTO {0}.counter VALUES (0)",
            schema.name()
        );
        client.batch_execute(&table).await.expect("it is made");
        Some(Self {
            store,
            client,
            schema,
        })
    }

    fn select(&self) -> String {
        format!("SELECT n FROM {}.counter", self.schema.name())
    }

    async fn count(&self, n: i64) {
        let update = format!("UPDATE {}.counter SET n = $1", self.schema.name());
        let updated = self.client.execute(&update, &[&n]).await;
        assert_eq!(updated.expect("it is updated"), 1);
    }

    async fn read(&self) -> i64 {
        let reader = self.store.reader();
        let row = reader.query_one(&self.select(), &[]).await;
        row.expect("it is read").get(0)
    }

    /// Waits until no session of the store has a transaction open.
    async fn nothing_is_open(&self) {
        let open = "SELECT count(*) FROM pg_stat_activity \
                    WHERE application_name = $1 AND state LIKE 'idle in transaction%'";
        until(|| async {
            let row = self.client.query_one(open, &[&self.schema.name()]).await;
            row.expect("an answer").get::<_, i64>(0) == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_query_leaves_no_snapshot_to_the_next() {
    let Some(scene) = Scene::start("a_dropped_query_leaves_no_snapshot_to_the_next").await else {
        return;
    };
    let mut n = 0;
    // The first time with a connection that is yet to be opened, then with an open one.
    for _ in 0..8 {
        for polls in 1.. {
            n += 1;
            scene.count(n).await;
            let read = poll_times(Box::pin(scene.read()), polls).await;
            assert!(read.is_none_or(|read| read == n), "{read:?} is not {n}");
            n += 1;
            scene.count(n).await;
            assert_eq!(scene.read().await, n, "after {polls} polls");
            if read.is_some() {
                break;
            }
        }
    }
    scene.nothing_is_open().await;
}

/// The only connection of the pool is not busy for as long as the statement would take, and nor is
/// the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_statement_whose_caller_is_gone() {
    let test = "nobody_waits_for_a_statement_whose_caller_is_gone";
    let Some(scene) = Scene::start(test).await else {
        return;
    };
    let sleeping = "SELECT count(*) FROM pg_stat_activity \
                    WHERE application_name = $1 AND state = 'active'";
    let sleeping = async || {
        let row = scene
            .client
            .query_one(sleeping, &[&scene.schema.name()])
            .await;
        row.expect("an answer").get::<_, i64>(0)
    };
    let slow = async {
        let reader = scene.store.reader();
        reader.query("SELECT pg_sleep(600)", &[]).await.map(drop)
    };
    let started = until(|| async { sleeping().await == 1 });
    // Then the statement is dropped.
    tokio::select! {
        slept = slow => panic!("it does not end by itself: {slept:?}"),
        () = started => {}
    }
    let read = tokio::time::timeout(std::time::Duration::from_secs(10), scene.read());
    assert_eq!(read.await.expect("it is free"), 0);
    until(|| async { sleeping().await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_transaction_leaves_nothing_open() {
    let Some(scene) = Scene::start("a_dropped_transaction_leaves_nothing_open").await else {
        return;
    };
    let update = format!("UPDATE {}.counter SET n = n + 1", scene.schema.name());
    let mut committed = 0;
    for _ in 0..3 {
        for polls in 1.. {
            let appended = async {
                let transaction = scene.store.begin().await.expect("it begins");
                transaction.execute(&update, &[]).await.expect("it counts");
                transaction.append(append(&account(1), 1, None)).await
            };
            let appended = poll_times(Box::pin(appended), polls).await;
            let done = appended.is_some();
            if let Some(appended) = appended {
                appended.expect("it commits");
                committed += 1;
            }
            scene.nothing_is_open().await;
            // Both or neither: a commit that was sent may still take place between the two reads.
            until(|| async {
                let head = scene.store.head().await.expect("a head");
                scene.read().await.cast_unsigned() == head.get()
            })
            .await;
            let n = scene.read().await;
            assert!(n >= committed, "what was acknowledged is there");
            if done {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_commit_of_views_leaves_nothing_open() {
    let Some(scene) = Scene::start("a_dropped_commit_of_views_leaves_nothing_open").await else {
        return;
    };
    let model = ModelSchema {
        table: "cards".to_owned(),
        indexes: Vec::new(),
    };
    for polls in 1.. {
        let prepared = scene.store.prepare(vec![model.clone()]);
        let prepared = poll_times(prepared, polls).await;
        scene.nothing_is_open().await;
        if let Some(prepared) = prepared {
            prepared.expect("it is made");
            break;
        }
    }
    let subscription = "projection:cards";
    for _ in 0..3 {
        for polls in 1.. {
            let from = scene
                .store
                .checkpoint(&Shard::whole(subscription))
                .await
                .expect("it is read")
                .map(|found| found.position);
            let to = from.unwrap_or_default().plus(1);
            let change = ViewChange {
                model: model.clone().into(),
                key: "1".to_owned(),
                view: Some((to.to_string().into_bytes(), Vec::new())),
                position: to,
                is_new: false,
            };
            let batch = ViewBatch {
                shard: Shard::whole(subscription),
                epoch: Epoch::UNCLAIMED,
                from,
                to: to.into(),
                incarnation: Incarnation::default(),
                changes: vec![change],
                parked: Vec::new(),
            };
            let committed = poll_times(scene.store.commit(batch), polls).await;
            scene.nothing_is_open().await;
            let at = scene
                .store
                .checkpoint(&Shard::whole(subscription))
                .await
                .expect("it is read");
            let loaded = scene.store.load(model.clone().into(), vec!["1".to_owned()]);
            let view = loaded.await.expect("it is loaded").remove(0);
            let position = view.map(|body| String::from_utf8(body).expect("a text"));
            assert_eq!(
                position,
                at.map(|found| found.position.to_string()),
                "both or neither"
            );
            if let Some(committed) = committed {
                committed.expect("it commits");
                break;
            }
        }
    }
}

/// A handler can change the settings of the session once it has ended its transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handler_changes_the_kind_of_later_snapshots() {
    let test = "no_handler_changes_the_kind_of_later_snapshots";
    let Some(scene) = Scene::start(test).await else {
        return;
    };
    let set = [
        "SET default_transaction_isolation = 'read committed'",
        "SET default_transaction_read_only = off",
    ];
    for ends in [None, Some("COMMIT"), Some("END")] {
        let reader = scene.store.reader();
        reader.query("SELECT 1", &[]).await.expect("a row");
        for statement in ends.into_iter().chain(set) {
            reader.query(statement, &[]).await.expect("it runs");
        }
        drop(reader);
        let reader = scene.store.reader();
        for (setting, value) in [
            ("transaction_isolation", "repeatable read"),
            ("transaction_read_only", "on"),
        ] {
            let shown = reader.query_one(&format!("SHOW {setting}"), &[]).await;
            let shown: String = shown.expect("a row").get(0);
            assert_eq!(shown, value, "after {ends:?}");
        }
    }
}
