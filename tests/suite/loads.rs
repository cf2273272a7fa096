//! On PostgreSQL, loads of views that come while others are under way share a statement.

use std::sync::Arc;

use cqrs_conformance::StoreFixture;
use cqrs_core::Position;
use cqrs_core::store::{
    Epoch, Incarnation, ModelSchema, Shard, StoreError, ViewBatch, ViewChange, ViewStore,
};
use cqrs_postgres::Postgres;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::outage::until;
use crate::support::postgres::Schema;

const STATEMENTS: i64 = 2;

fn cards() -> Arc<ModelSchema> {
    Arc::new(ModelSchema {
        table: "cards".to_owned(),
        indexes: Vec::new(),
    })
}

/// A store with the views 0 to 99, whose bodies are their keys.
async fn fill(store: &Postgres) {
    store
        .prepare(vec![(*cards()).clone()])
        .await
        .expect("is made");
    let change = |key: u32| ViewChange {
        model: cards(),
        key: key.to_string(),
        view: Some((key.to_string().into_bytes(), Vec::new())),
        position: Position::new(1),
        is_new: false,
    };
    let batch = ViewBatch {
        shard: Shard::whole("projection:cards"),
        epoch: Epoch::UNCLAIMED,
        from: None,
        to: Position::new(1).into(),
        incarnation: Incarnation::default(),
        changes: (0..100).map(change).collect(),
        parked: Vec::new(),
    };
    store.commit(batch).await.expect("it commits");
}

type Load = JoinHandle<Result<Vec<Option<Vec<u8>>>, StoreError>>;

fn load(store: &Postgres, keys: Vec<String>) -> Load {
    let store = store.clone();
    tokio::spawn(async move { store.load(cards(), keys).await })
}

/// How many statements wait for a lock of this session.
async fn waiting(locker: &Client) -> i64 {
    let count = "SELECT count(*) FROM pg_locks \
                 WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    locker
        .query_one(count, &[])
        .await
        .expect("an answer")
        .get(0)
}

/// Locks the views, and waits until as many statements wait for that as may be under way.
async fn hold_up(locker: &Client, schema: &str, store: &Postgres) -> Vec<Load> {
    let lock = format!("BEGIN; LOCK TABLE {schema}.view_cards IN ACCESS EXCLUSIVE MODE");
    locker.batch_execute(&lock).await.expect("it locks");
    let first = (0..STATEMENTS).map(|_| load(store, vec!["0".to_owned()]));
    let first = first.collect();
    until(|| async { waiting(locker).await == STATEMENTS }).await;
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_that_come_together_share_a_statement() {
    let Some(schema) = Schema::fresh("loads", Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    fill(&store).await;
    let locker = schema.client().await;
    let first = hold_up(&locker, schema.name(), &store).await;

    let keys = |number: u32| vec![(number % 100).to_string(), "none".to_owned()];
    let loads: Vec<_> = (0..600).map(|number| load(&store, keys(number))).collect();
    // Some of those who wait go away.
    loads.iter().step_by(7).for_each(JoinHandle::abort);
    for _ in 0..20 {
        assert_eq!(waiting(&locker).await, STATEMENTS, "statements under way");
    }
    // What they are answered is from after this, and so from after they asked.
    let table = format!("{}.view_cards", schema.name());
    let change = format!("UPDATE {table} SET body = body || '!'; COMMIT");
    locker.batch_execute(&change).await.expect("it commits");

    for load in first {
        load.await.expect("no panic").expect("it is loaded");
    }
    for (number, load) in (0..).zip(loads) {
        let found = match load.await {
            Err(error) if error.is_cancelled() && number % 7 == 0 => continue,
            found => found.expect("no panic").expect("it is loaded"),
        };
        let body = format!("{}!", number % 100).into_bytes();
        assert_eq!(found, [Some(body), None], "each gets his own");
    }
    let alone = store.load(cards(), keys(5)).await.expect("it is loaded");
    assert_eq!(alone, [Some(b"5!".to_vec()), None]);
}
