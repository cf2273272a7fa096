//! New views of which there are many are copied, in the transaction of the checkpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cqrs_core::Position;
use cqrs_core::store::{ModelSchema, ViewBatch, ViewChange, ViewCommitError, ViewStore as _};
use cqrs_postgres::Postgres;

use super::{World, batch, delete, put};
use crate::outage::proxy::Proxy;
use crate::support::postgres::Schema;

/// More than an `INSERT` is used for.
const MANY: u32 = 1_000;

fn new(model: &Arc<ModelSchema>, key: &str) -> ViewChange {
    ViewChange {
        is_new: true,
        ..put(model, key)
    }
}

fn key(number: u32) -> String {
    format!("ä{number}")
}

/// Many new views in two tables, with changes of others.
fn many(world: &World, from: Option<u64>, to: u64) -> ViewBatch {
    let copied = [&world.plain, &world.twice];
    let new = (0..MANY).flat_map(|it| copied.map(|model| new(model, &key(it))));
    let others = [
        put(&world.plain, "changed"),
        delete(&world.plain, "deleted"),
        put(&world.indexed, "changed"),
    ];
    batch(from, to, new.chain(others).collect())
}

async fn count(schema: &Schema, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {}.view_{table}", schema.name());
    let row = schema.client().await.query_one(&sql, &[]).await;
    row.expect("an answer").get(0)
}

#[tokio::test]
async fn many_new_views_are_written_with_the_other_changes() {
    const TEST: &str = "many_new_views_are_written_with_the_other_changes";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let (proxy, waits) = Proxy::counting_waits(schema.url(), "checkpoints").await;
    let world = World::connect(&schema, &proxy.url(schema.url())).await;
    let deleted = vec![put(&world.plain, "deleted")];
    world.commit(batch(None, 1, deleted)).await;
    world.commit(many(&world, Some(1), 2)).await;

    let everything = i64::from(MANY) + 1;
    assert_eq!(count(&schema, "plain").await, everything);
    assert_eq!(count(&schema, "indexed").await, 1);
    assert_eq!(count(&schema, "twice").await, everything - 1);
    let (first, last) = (key(0), key(MANY - 1));
    let some = [first.as_str(), last.as_str(), "changed"];
    assert_eq!(world.keys(&world.plain, &some).await, some);

    // The checkpoint with the other changes, two for each copy, and the end.
    let more = (MANY..2 * MANY).flat_map(|it| {
        let models = [&world.plain, &world.twice];
        models.map(|model| new(model, &key(it)))
    });
    let next = batch(Some(2), 3, more.collect());
    let before = waits.load(Ordering::Relaxed);
    world.commit(next).await;
    // One prepares the statement that has no other changes.
    assert_eq!(waits.load(Ordering::Relaxed) - before, 7);
    assert_eq!(count(&schema, "plain").await, everything + i64::from(MANY));
}

#[tokio::test]
async fn a_view_that_is_there_is_replaced_by_one_of_many_that_were_to_be_new() {
    const TEST: &str = "a_view_that_is_there_is_replaced_by_one_of_many_that_were_to_be_new";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let world = World::connect(&schema, schema.url()).await;
    let there = ViewChange {
        view: Some((b"before".to_vec(), Vec::new())),
        ..put(&world.plain, &key(7))
    };
    world.commit(batch(None, 1, vec![there])).await;
    world.commit(many(&world, Some(1), 2)).await;
    assert_eq!(count(&schema, "plain").await, i64::from(MANY) + 1);
    assert_eq!(world.keys(&world.plain, &[&key(7)]).await, [key(7)]);
}

#[tokio::test]
async fn many_new_views_behind_another_checkpoint_are_not_written() {
    const TEST: &str = "many_new_views_behind_another_checkpoint_are_not_written";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let world = World::connect(&schema, schema.url()).await;
    world.commit(batch(None, 5, Vec::new())).await;
    for from in [None, Some(4), Some(6)] {
        let moved = world.store.commit(many(&world, from, 9)).await;
        let Err(ViewCommitError::Moved { found }) = moved else {
            panic!("from {from:?}: {moved:?}");
        };
        assert_eq!(found, Some(Position::new(5)));
        for table in ["plain", "indexed", "twice"] {
            assert_eq!(count(&schema, table).await, 0, "from {from:?} in {table}");
        }
    }
    // The connection is not in a transaction any more.
    world.commit(many(&world, Some(5), 9)).await;
    assert_eq!(count(&schema, "twice").await, i64::from(MANY));
}
