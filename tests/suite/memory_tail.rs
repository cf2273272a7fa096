//! A process that is alone on its log follows it from memory, and asks the database only at
//! intervals whether another process has appended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cqrs_conformance::StoreFixture;
use cqrs_core::Position;
use cqrs_core::store::{BoxFuture, EventLog, EventPage, EventQuery, ReadRange, Store, StoreError};
use cqrs_kit::Subscription;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use crate::support::decorated::{Decorated, Hooks};
use crate::support::noted;
use crate::support::postgres::Schema;

/// How often the log of a store is read.
#[derive(Default)]
struct Reads(AtomicU32);

impl<S: Store> Hooks<S> for Reads {
    fn read<'a>(
        &'a self,
        store: &'a S,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        store.read(query, range)
    }
}

/// Commands, each of which is followed before the next is sent.
const COMMANDS: u32 = 200;

/// How often a subscription looks for what others wrote.
const POLL: Duration = Duration::from_millis(250);

#[tokio::test]
async fn a_process_that_is_alone_does_not_read_its_own_events() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let sqlite = Sqlite::open(directory.path().join("log.db")).await;
    follows_without_reading(sqlite.expect("SQLite opens")).await;

    if let Some(schema) = Schema::fresh("memory_tail", Postgres::options()) {
        follows_without_reading(schema.open().await).await;
    }
}

async fn follows_without_reading(store: impl Store) {
    let store = Arc::new(Decorated {
        store: Arc::new(store),
        hooks: Reads::default(),
    });
    let log: Arc<dyn EventLog> = store.clone();
    let mut subscription = Subscription::new(log, EventQuery::All, Position::START);
    let start = Instant::now();
    for number in 1..=COMMANDS {
        let sent = store.append(noted()).await.expect("it is appended");
        let page = subscription.next(100).await.expect("a page");
        let positions: Vec<_> = page.events.iter().map(|event| event.position).collect();
        assert_eq!(positions, [sent.last]);
        assert_eq!(sent.last, Position::new(u64::from(number)));
    }
    let reads = store.hooks.0.load(Ordering::Relaxed);
    let looks = start.elapsed().as_millis() / POLL.as_millis();
    assert!(
        u128::from(reads) <= looks + 1,
        "{COMMANDS} commands were followed with {reads} reads in {looks} times {POLL:?}"
    );
}
