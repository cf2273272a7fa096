//! Commits of views on PostgreSQL: one statement, which a checkpoint elsewhere makes write nothing.

mod copied;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::Position;
use cqrs_core::store::{
    Epoch, Incarnation, ModelSchema, Shard, SortKey, ViewBatch, ViewChange, ViewCommitError,
    ViewStore,
};
use cqrs_postgres::Postgres;
use tokio_postgres::Client;

use crate::outage::proxy::Proxy;
use crate::outage::until;
use crate::support::postgres::Schema;

const SUBSCRIPTION: &str = "projection:test";

pub fn model(table: &str, indexes: &[&'static str]) -> Arc<ModelSchema> {
    Arc::new(ModelSchema {
        table: table.to_owned(),
        indexes: indexes.to_vec(),
    })
}

/// A view with the key as its body, and as each of its sort keys.
pub fn put(model: &Arc<ModelSchema>, key: &str) -> ViewChange {
    let sort_keys = model.indexes.iter().map(|_| SortKey::of(key)).collect();
    change(model, key, Some((key.as_bytes().to_vec(), sort_keys)))
}

fn delete(model: &Arc<ModelSchema>, key: &str) -> ViewChange {
    change(model, key, None)
}

fn change(
    model: &Arc<ModelSchema>,
    key: &str,
    view: Option<(Vec<u8>, Vec<SortKey>)>,
) -> ViewChange {
    ViewChange {
        model: model.clone(),
        key: key.to_owned(),
        view,
        position: Position::START,
        is_new: false,
    }
}

pub fn batch(from: Option<u64>, to: u64, changes: Vec<ViewChange>) -> ViewBatch {
    ViewBatch {
        shard: Shard::whole(SUBSCRIPTION),
        epoch: Epoch::UNCLAIMED,
        from: from.map(Position::new),
        to: Position::new(to).into(),
        incarnation: Incarnation::default(),
        changes,
        parked: Vec::new(),
    }
}

/// A store with three read models, of no, one and two indexes.
struct World {
    store: Postgres,
    plain: Arc<ModelSchema>,
    indexed: Arc<ModelSchema>,
    twice: Arc<ModelSchema>,
}

impl World {
    async fn connect(schema: &Schema, url: &str) -> Self {
        let world = Self {
            store: schema
                .options()
                .pool_size(1)
                .connect(url)
                .await
                .expect("PostgreSQL can be connected to"),
            plain: model("plain", &[]),
            indexed: model("indexed", &["rank"]),
            twice: model("twice", &["rank", "name"]),
        };
        let models = [&world.plain, &world.indexed, &world.twice];
        let models = models.map(|model| ModelSchema::clone(model)).to_vec();
        let prepared = world.store.prepare(models).await;
        prepared.expect("the models are prepared");
        world
    }

    async fn commit(&self, batch: ViewBatch) {
        self.store.commit(batch).await.expect("it is committed");
    }

    /// Which of the views with these keys there are.
    async fn keys(&self, model: &Arc<ModelSchema>, keys: &[&str]) -> Vec<String> {
        let wanted = keys.iter().copied().map(str::to_owned).collect();
        let found = self.store.load(model.clone(), wanted).await;
        let found = found.expect("views can be loaded").into_iter().flatten();
        found
            .map(|body| String::from_utf8(body).expect("the body is a key"))
            .collect()
    }
}

/// Batches of every kind, each of which follows the one before.
fn batches(
    World {
        plain,
        indexed,
        twice,
        ..
    }: &World,
) -> Vec<(&'static str, ViewBatch)> {
    let everything = vec![
        put(plain, "d"),
        delete(plain, "a"),
        put(indexed, "d"),
        delete(indexed, "a"),
        put(twice, "d"),
        delete(twice, "a"),
    ];
    vec![
        (
            "the first checkpoint",
            batch(None, 1, vec![put(plain, "a")]),
        ),
        ("without an index", batch(Some(1), 2, vec![put(plain, "b")])),
        ("with an index", batch(Some(2), 3, vec![put(indexed, "a")])),
        ("with indexes", batch(Some(3), 4, vec![put(twice, "a")])),
        ("a delete", batch(Some(4), 5, vec![delete(plain, "b")])),
        ("everything", batch(Some(5), 6, everything)),
        ("a checkpoint alone", batch(Some(6), 7, Vec::new())),
    ]
}

#[tokio::test]
async fn a_commit_of_views_is_one_round_trip() {
    const TEST: &str = "a_commit_of_views_is_one_round_trip";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let (proxy, trips) = Proxy::counting(schema.url(), "checkpoints").await;
    let world = World::connect(&schema, &proxy.url(schema.url())).await;
    // The same batches of another subscription, so that each statement is prepared.
    for (_, batch) in batches(&world) {
        let subscription = "projection:before".to_owned();
        world
            .commit(ViewBatch {
                shard: Shard::whole(subscription),
                ..batch
            })
            .await;
    }
    for (kind, batch) in batches(&world) {
        let made = round_trips(&trips, world.commit(batch)).await;
        assert_eq!(made, 1, "{kind}");
    }
    assert_eq!(world.keys(&world.plain, &["a", "b", "d"]).await, ["d"]);
    assert_eq!(world.keys(&world.indexed, &["a", "d"]).await, ["d"]);
    assert_eq!(world.keys(&world.twice, &["a", "d"]).await, ["d"]);
}

async fn round_trips(trips: &AtomicUsize, work: impl Future<Output = ()>) -> usize {
    let before = trips.load(Ordering::Relaxed);
    work.await;
    trips.load(Ordering::Relaxed) - before
}

#[tokio::test]
async fn a_commit_from_another_checkpoint_writes_to_no_read_model() {
    const TEST: &str = "a_commit_from_another_checkpoint_writes_to_no_read_model";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let world = World::connect(&schema, schema.url()).await;
    let models = [&world.plain, &world.indexed, &world.twice];
    let there = models.map(|model| put(model, "there")).to_vec();
    world.commit(batch(None, 5, there)).await;
    for from in [None, Some(4), Some(6)] {
        let wrong = models
            .iter()
            .flat_map(|model| [put(model, "new"), delete(model, "there")])
            .collect();
        let moved = world.store.commit(batch(from, 9, wrong)).await;
        let Err(ViewCommitError::Moved { found }) = moved else {
            panic!("from {from:?}: {moved:?}");
        };
        assert_eq!(found, Some(Position::new(5)));
        for model in models {
            let keys = world.keys(model, &["there", "new"]).await;
            assert_eq!(keys, ["there"], "from {from:?} in {}", model.table);
        }
    }
}

/// The statement began before the other worker's commit, and sees nothing of it but the checkpoint.
#[tokio::test]
async fn a_commit_that_waited_for_another_worker_compares_the_checkpoint_that_it_left() {
    const TEST: &str =
        "a_commit_that_waited_for_another_worker_compares_the_checkpoint_that_it_left";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let world = World::connect(&schema, schema.url()).await;
    let there = vec![put(&world.plain, "there")];
    world.commit(batch(None, 1, there)).await;
    for (end, is_moved) in [("ROLLBACK", false), ("COMMIT", true)] {
        let other = schema.client().await;
        let moving = format!(
            "BEGIN; UPDATE {}.checkpoints SET position = position + 1",
            schema.name()
        );
        other.batch_execute(&moving).await.expect("it is moved");
        let from = if is_moved { 2 } else { 1 };
        let changes = vec![put(&world.plain, end), put(&world.twice, end)];
        let waiting = world.store.commit(batch(Some(from), from + 1, changes));
        let ending = async {
            until(|| waits(&other)).await;
            other.batch_execute(end).await.expect("it ends");
        };
        let (committed, ()) = tokio::join!(waiting, ending);
        let is_refused = matches!(committed, Err(ViewCommitError::Moved { .. }));
        assert_eq!(is_refused, is_moved, "{end}: {committed:?}");
        for model in [&world.plain, &world.twice] {
            let is_there = !world.keys(model, &[end]).await.is_empty();
            assert_eq!(is_there, !is_moved, "{end} in {}", model.table);
        }
    }
}

/// Whether a backend waits for a lock of this client's.
async fn waits(holder: &Client) -> bool {
    let select = "SELECT count(*) FROM pg_stat_activity \
                  WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))";
    let row = holder.query_one(select, &[]).await.expect("an answer");
    row.get::<_, i64>(0) > 0
}
