//! Snapshots that one query handler leaves to the next one, which waits for its connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;

use cqrs_core::store::HasReader as _;
use cqrs_postgres::Postgres;
use tokio_postgres::types::ToSql;

use super::Scene;
use crate::outage::proxy::Proxy;
use crate::support::postgres::Schema;

/// Polls the future once, and returns whether it waits.
async fn waits<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_query_ends_the_snapshot_before_it_in_its_first_message() {
    let test = "the_next_query_ends_the_snapshot_before_it_in_its_first_message";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let marker = "from here on";
    let (proxy, answers) = Proxy::counting(schema.url(), marker).await;
    let options = schema.options().pool_size(1);
    let store = options.connect(&proxy.url(schema.url())).await;
    let store = store.expect("it connects");
    let select = "SELECT $1::text";
    let params: [&(dyn ToSql + Sync); 1] = [&marker];

    let first = store.reader();
    first.query_one(select, &params).await.expect("a row");
    let second = store.reader();
    let mut read = pin!(second.query_one(select, &params));
    assert!(waits(read.as_mut()).await);
    answers.store(0, Ordering::Relaxed);
    drop(first);
    read.await.expect("a row");
    let answers = answers.load(Ordering::Relaxed);
    assert_eq!(answers, 2, "`ROLLBACK` with `BEGIN`, and the query");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_query_does_not_read_the_snapshot_before_it() {
    let test = "the_next_query_does_not_read_the_snapshot_before_it";
    let Some(scene) = Scene::start(test, 1).await else {
        return;
    };
    let first = scene.store.reader();
    let select = scene.select();
    first.query_one(&select, &[]).await.expect("a row");
    let mut read = pin!(scene.read());
    assert!(waits(read.as_mut()).await);
    scene.count(1).await;
    drop(first);
    assert_eq!(read.await, 1);
    scene.nothing_is_open().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_not_left_to_a_query_that_is_dropped() {
    let test = "a_snapshot_is_not_left_to_a_query_that_is_dropped";
    let Some(scene) = Scene::start(test, 1).await else {
        return;
    };
    let first = scene.store.reader();
    first.query_one(&scene.select(), &[]).await.expect("a row");
    let mut read = Box::pin(scene.read());
    assert!(waits(read.as_mut()).await);
    drop(first);
    drop(read);
    scene.nothing_is_open().await;
}

/// Both handlers see that somebody waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_snapshots_are_not_left_to_one_query() {
    let test = "two_snapshots_are_not_left_to_one_query";
    let Some(scene) = Scene::start(test, 2).await else {
        return;
    };
    let both = [scene.store.reader(), scene.store.reader()];
    for reader in &both {
        reader.query_one(&scene.select(), &[]).await.expect("a row");
    }
    let mut read = pin!(scene.read());
    assert!(waits(read.as_mut()).await);
    drop(both);
    assert_eq!(read.await, 0);
    scene.nothing_is_open().await;
}

/// The level is a setting of the session, which a handler can change once it has ended its transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handler_changes_the_snapshots_of_others() {
    let test = "no_handler_changes_the_snapshots_of_others";
    let Some(scene) = Scene::start(test, 1).await else {
        return;
    };
    let set = [
        "SET default_transaction_isolation = 'read committed'",
        "SET default_transaction_read_only = off",
    ];
    for ends in [
        None,
        Some("COMMIT"),
        Some("/* now */; rollback"),
        Some("END"),
    ] {
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
