//! A store whose queue is full refuses a decision before its events are folded, so the states that
//! were loaded stay right.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cqrs_conformance::StoreFixture;
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::AppendError;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use crate::support::postgres::Schema;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Count {
    #[id(Meter)]
    meter: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "metered", version = 1)]
pub struct Metered {
    #[id(Meter)]
    meter: u32,
    before: u32,
}

#[derive(Default)]
pub struct Meter {
    count: u32,
}

#[aggregate(id = u32)]
impl Meter {
    #[apply]
    fn metered(&mut self, _: &Metered) {
        self.count += 1;
    }
}

#[command_handler]
fn count(Count { meter }: Count, state: &Meter) -> Metered {
    let before = state.count;
    Metered { meter, before }
}

/// What fills the queue: about no aggregate.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Fill;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "queue-filled", version = 1)]
pub struct Filled;

#[command_handler]
fn fill(_: Fill) -> Filled {
    Filled
}

fn is_overloaded(outcome: &Result<Receipt, CommandError<Rejected>>) -> bool {
    matches!(
        outcome,
        Err(CommandError::Failed(Failure::Append(
            AppendError::Overloaded { .. }
        )))
    )
}

#[tokio::test]
async fn nothing_is_read_again_after_an_overload_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = Sqlite::options().queue(1).open(&path).await;
    let app = build(sqlite.expect("SQLite opens")).await;
    let other = rusqlite::Connection::open(&path).expect("opens");
    let lock = || other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let release = || other.execute_batch("ROLLBACK").expect("releases");
    reads_nothing_again(&app, async || lock(), async || release()).await;
}

#[tokio::test]
async fn nothing_is_read_again_after_an_overload_on_postgresql() {
    let Some(schema) = Schema::fresh("overload", Postgres::options().queue(1)) else {
        return;
    };
    let app = build(schema.open().await).await;
    let other = schema.client().await;
    let head = format!("BEGIN; LOCK TABLE {}.head", schema.name());
    let lock = async || other.batch_execute(&head).await.expect("locks");
    let release = async || other.batch_execute("ROLLBACK").await.expect("releases");
    reads_nothing_again(&app, lock, release).await;
}

/// Polls once, for a future that is awaited later.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn build(store: impl cqrs_core::store::Store) -> Dispatcher {
    let app = Dispatcher::builder().module(module()).store(store);
    app.build().await.expect("builds")
}

async fn reads_nothing_again(app: &Dispatcher, lock: impl AsyncFn(), release: impl AsyncFn()) {
    let count = || app.execute(Count { meter: 1 });
    count().await.expect("counts");
    let misses = app.health().state_cache.misses;
    lock().await;
    let mut waiting = Vec::new();
    // As long as the writer takes something of the queue, another one finds room.
    loop {
        let mut filling = Box::pin(app.execute(Fill).into_future());
        if poll(filling.as_mut()).is_pending() {
            waiting.push(filling);
            continue;
        }
        let mut counting = Box::pin(count().into_future());
        match poll(counting.as_mut()) {
            Poll::Ready(outcome) => {
                assert!(is_overloaded(&outcome), "{outcome:?}");
                break;
            }
            Poll::Pending => waiting.push(counting),
        }
    }
    release().await;
    for accepted in waiting {
        accepted.await.expect("was accepted");
    }
    count().await.expect("counts");
    assert_eq!(app.health().state_cache.misses, misses);
    let events = app.history::<Meter>(&1).all().await.expect("reads");
    let before = events.iter().map(|event| event.decode::<Metered>());
    let before: Vec<_> = before.map(|event| event.expect("is one").before).collect();
    let expected: Vec<_> = (0..).take(before.len()).collect();
    assert_eq!(before, expected);
}
