//! An SQLite database that does not answer, and options at their limits.

use std::sync::mpsc::channel;
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::store::{
    AppendError, EventLog, EventLogExt, EventQuery, HasReader as _, ReadRange, StoreError,
    Transactional as _, ViewStore as _,
};
use cqrs_core::{Memory, Position};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use cqrs_sqlite::rusqlite::Connection;

use crate::support::noted;
use crate::support::postgres::Schema;

#[tokio::test]
async fn a_caller_is_answered_while_the_writing_thread_is_held_and_the_id_tells_later() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let options = Sqlite::options().busy_timeout(Duration::MAX);
    let options = options.stall_timeout(Duration::from_millis(50));
    let store = options.open(&path).await.expect("SQLite opens");
    let other = Connection::open(&path).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("it locks");

    let append = noted();
    let error = store.append(append.clone()).await.expect_err("it is held");
    let AppendError::Indeterminate { reason } = &error else {
        panic!("{error}");
    };
    assert!(reason.contains("has not answered for 50ms"), "{reason}");
    assert!(reason.contains("same command id again"), "{reason}");
    let error = store.begin().await.expect_err("it is held");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let error = store.prepare(Vec::new()).await.expect_err("it is held");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let unknown = store.command(append.command).await.expect("reads go on");
    assert_eq!(unknown, None, "it is not done yet");

    other.execute_batch("ROLLBACK").expect("it unlocks");
    let again = store.append(append).await.expect("it is answered");
    assert!(again.replayed, "it was done once the database answered");
    assert_eq!(store.head().await.expect("it is read").get(), 1);
}

#[tokio::test]
async fn a_read_is_answered_while_all_reading_threads_are_held() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let options = Sqlite::options().readers(1);
    let options = options.stall_timeout(Duration::from_millis(50));
    let store = options.open(directory.path().join("log.db")).await;
    let store = store.expect("SQLite opens");
    let (release, held) = channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let reader = store.reader();
    let holder = tokio::spawn(async move {
        let wait = move |_: &_| {
            begun.send(()).expect("the test waits");
            Ok(held.recv().is_ok())
        };
        reader.run(wait).await
    });
    begins.await.expect("the reader is held");
    let error = store.head().await.expect_err("nobody reads");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    release.send(()).expect("the reader waits");
    holder.await.expect("no panic").ok();
    while store.head().await.is_err() {}
}

#[tokio::test]
async fn a_read_is_answered_while_its_thread_is_held_and_another_one_goes_on() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let options = Sqlite::options().readers(2);
    let options = options.stall_timeout(Duration::from_millis(50));
    let store = options.open(directory.path().join("log.db")).await;
    let store = store.expect("SQLite opens");
    let (release, held) = channel::<()>();
    let reader = store.reader();
    let holder = tokio::spawn(async move { reader.run(move |_| Ok(held.recv().is_ok())).await });
    while !holder.is_finished() {
        store.head().await.expect("the other thread reads");
    }
    let error = holder.await.expect("no panic").expect_err("it is held");
    assert!(
        error.to_string().contains("has not answered for 50ms"),
        "{error}"
    );
    release.send(()).expect("the thread waits");
}

#[tokio::test]
async fn options_at_their_limits_mean_for_ever_no_limit_or_the_least() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let most = Sqlite::options()
        .busy_timeout(Duration::MAX)
        .stall_timeout(Duration::MAX)
        .readers(usize::MAX)
        .queue(usize::MAX)
        .window(usize::MAX)
        .max_batch(usize::MAX);
    let most = most.open(&path).await.expect("it opens");
    let least = Sqlite::options()
        .busy_timeout(Duration::ZERO)
        .readers(0)
        .queue(0)
        .window(0)
        .max_batch(0);
    let least = least.open(&path).await.expect("it opens");
    for _ in 0..3 {
        most.append(noted()).await.expect("it appends");
        least.append(noted()).await.expect("it appends");
    }
    for store in [&most, &least] {
        assert_eq!(store.head().await.expect("it is read").get(), 6);
    }
    let hasty = Sqlite::options()
        .stall_timeout(Duration::ZERO)
        .open(&path)
        .await;
    match hasty.expect("it opens").append(noted()).await {
        Ok(_) | Err(AppendError::Indeterminate { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Pages without a limit, and with none at all.
async fn reads_within_any_bounds(store: impl EventLog) {
    for _ in 0..3 {
        store.append(noted()).await.expect("it appends");
    }
    for (limit, bytes, expected) in [
        (usize::MAX, usize::MAX, 3),
        (0, usize::MAX, 1),
        (usize::MAX, 0, 1),
        (0, 0, 1),
    ] {
        let range = ReadRange {
            limit,
            bytes,
            ..ReadRange::after(Position::START)
        };
        for query in [EventQuery::All, EventQuery::typed(["noted"])] {
            let page = store.read(query.clone(), range).await.expect("a page");
            assert_eq!(page.events.len(), expected, "{range:?}");
            assert_eq!(page.next.is_some(), expected == 1, "{range:?}");
            if let Some(tail) = store.capabilities().tail {
                tail.tail(&query, Position::START, limit);
            }
        }
    }
}

#[tokio::test]
async fn pages_may_have_any_bounds_on_every_store() {
    reads_within_any_bounds(Memory::new()).await;
    let directory = tempfile::tempdir().expect("a directory can be made");
    let sqlite = Sqlite::open(directory.path().join("log.db")).await;
    reads_within_any_bounds(sqlite.expect("SQLite opens")).await;
    if let Some(schema) = Schema::fresh("timeouts", Postgres::options()) {
        reads_within_any_bounds(schema.open().await).await;
    }
}
