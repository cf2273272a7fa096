//! Who follows the log of a process that is alone gets its events from memory, and asks the
//! database only now and then whether others have written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventQuery, EventStore, EventType, NewEvent, Page,
    ReadRange, StateKey, StoreError, StoredCommand, StoredState, Subscription, Tag,
};
use cqrs_core::testing::conformance::Fixture;
use cqrs_core::{CommandId, Position, Timestamp, Uuid};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use tokio::sync::watch;

use crate::postgres::Schema;

/// A store that counts the reads of its log.
struct Counted<S> {
    store: S,
    reads: AtomicU32,
}

impl<S: EventStore> EventStore for Counted<S> {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.store.append(append)
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.read(query, range)
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.store.head()
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.store.position_at(time)
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.store.command(id)
    }

    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        self.store.states(keys)
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.store.watch()
    }

    fn recent(&self, query: &EventQuery, after: Position, limit: usize) -> Option<Page> {
        self.store.recent(query, after, limit)
    }

    fn store_id(&self) -> Uuid {
        self.store.store_id()
    }
}

/// Commands, each of which is followed before the next is sent.
const COMMANDS: u32 = 200;

/// How often a subscription looks for what others wrote.
const POLL: Duration = Duration::from_millis(250);

#[tokio::test]
async fn who_is_alone_does_not_read_its_own_events() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let sqlite = Sqlite::open(directory.path().join("log.db")).await;
    follows_without_reading(sqlite.expect("SQLite opens")).await;

    if let Some(schema) = Schema::fresh("at_hand", Postgres::options()) {
        follows_without_reading(schema.open().await).await;
    }
}

async fn follows_without_reading(store: impl EventStore) {
    let store = Arc::new(Counted {
        store,
        reads: AtomicU32::new(0),
    });
    let log: Arc<dyn EventStore> = store.clone();
    let mut subscription = Subscription::new(log, EventQuery::All, Position::START);
    let start = Instant::now();
    for number in 1..=COMMANDS {
        let sent = store.append(noted()).await.expect("it is appended");
        let page = subscription.next(100).await.expect("a page");
        let positions: Vec<_> = page.events.iter().map(|event| event.position).collect();
        assert_eq!(positions, [sent.last]);
        assert_eq!(sent.last, Position::new(u64::from(number)));
    }
    let reads = store.reads.load(Ordering::Relaxed);
    let looks = start.elapsed().as_millis() / POLL.as_millis();
    assert!(
        u128::from(reads) <= looks + 1,
        "{COMMANDS} commands were followed with {reads} reads in {looks} times {POLL:?}"
    );
}

pub fn noted() -> Append {
    let command = CommandId::new();
    Append {
        command,
        fingerprint: 0,
        events: vec![NewEvent {
            event_type: EventType::new("noted"),
            version: 1,
            tags: [Tag::new("book", "B")].into_iter().collect(),
            payload: b"{}".to_vec(),
        }],
        boundaries: Vec::new(),
        states: Vec::new(),
        time: Timestamp::now(),
        actor: None,
        correlation: command.as_uuid(),
        causation: command.as_uuid(),
        ticket: None,
    }
}
