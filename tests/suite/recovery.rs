//! Database files that are not as they were left: torn, or restored from a backup.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    Append, AppendError, Boundary, Epoch, EventData, EventLog, EventLogExt, EventQuery, EventType,
    Events, Incarnation, ReadRange, Shard, StateKey, StateWrite, StoreError, Tag, ViewBatch,
    ViewStore,
};
use cqrs_kit::Subscription;
use cqrs_sqlite::Sqlite;
use fastrand::Rng;

cqrs_core::module!();

/// A command with two events and a state, number `number` of its log.
fn append(number: usize) -> Append {
    let command = CommandId::derived("recovery", number.to_string().as_bytes());
    let event = EventData {
        event_type: EventType::new("noted"),
        version: 1,
        tags: [Tag::new("book", number)].into_iter().collect(),
        payload: number.to_string().into_bytes(),
    };
    let key = StateKey {
        aggregate: "book",
        id: number.to_string(),
    };
    let state = StateWrite {
        key,
        body: b"1".to_vec(),
        based_on: None,
    };
    Append::new(command, vec![event.clone(), event])
        .fingerprint(number as u64)
        .at(Timestamp::UNIX_EPOCH)
        .state(state)
}

/// Copies the database as it is on the disk while no process writes: file and write-ahead log.
fn copy(from: &Path, to: &Path) {
    for end in ["", "-wal"] {
        let name = |path: &Path| format!("{}{end}", path.display());
        fs::copy(name(from), name(to)).expect("the file can be copied");
    }
}

/// I8: whatever is missing or wrong at the end of the write-ahead log, the remaining log is a
/// gap-free prefix of whole commands, and continues from there.
#[tokio::test]
async fn a_torn_log_is_a_prefix_of_whole_commands() {
    const COMMANDS: usize = 40;
    let directory = tempfile::tempdir().expect("a directory can be made");
    let whole = directory.path().join("whole.db");
    let store = Sqlite::open(&whole).await.expect("SQLite opens");
    for number in 0..COMMANDS {
        store.append(append(number)).await.expect("appends");
    }
    let (mut random, mut lengths) = (Rng::with_seed(8), std::collections::BTreeSet::new());
    for round in 0..40 {
        let torn = directory.path().join(format!("torn-{round}.db"));
        copy(&whole, &torn);
        let log = format!("{}-wal", torn.display());
        let mut bytes = fs::read(&log).expect("the log can be read");
        let at = random.usize(..bytes.len());
        if round % 2 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << random.u8(..8);
        }
        fs::write(&log, bytes).expect("the log can be written");

        let store = Sqlite::open(&torn).await.expect("SQLite opens");
        let head = store.head().await.expect("a head");
        assert_eq!(head.get() % 2, 0, "I1: half a command");
        let mut events = Events::read(&store, EventQuery::All, ReadRange::after(Position::START));
        for position in 1..=head.get() {
            let event = events.next().await.expect("a log").expect("I8: an event");
            assert_eq!(event.position, Position::new(position), "I8: gap-free");
            assert_eq!(
                event.data.payload,
                ((position - 1) / 2).to_string().into_bytes()
            );
        }
        let done = usize::try_from(head.get() / 2).expect("a small number");
        for number in 0..COMMANDS {
            let Append {
                command, states, ..
            } = append(number);
            let command = store.command(command).await.expect("commands");
            assert_eq!(command.is_some(), number < done, "I1: the command's id");
            let state = store
                .capabilities()
                .states
                .expect("it keeps states")
                .states(vec![states[0].key.clone()])
                .await
                .expect("states")
                .remove(0);
            assert_eq!(state.is_some(), number < done, "I1: the command's state");
        }
        // The last one that is there is known; the first one that is lost is done again.
        for number in done.saturating_sub(1)..(done + 1).min(COMMANDS) {
            let appended = store.append(append(number)).await.expect("appends");
            assert_eq!(appended.replayed, number < done);
            assert_eq!(appended.first.get(), 2 * number as u64 + 1);
        }
        lengths.insert(done);
    }
    assert!(lengths.len() > 5, "torn in many places: {lengths:?}");
}

/// I8: after a backup was restored, positions that were given out since are reported as `Rewound`
/// wherever they turn up.
#[tokio::test]
async fn positions_from_after_a_backup_are_rewound() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (original, backup) = (
        directory.path().join("log.db"),
        directory.path().join("old.db"),
    );
    let store = Sqlite::open(&original).await.expect("SQLite opens");
    let head = store.append(append(0)).await.expect("appends").last;
    copy(&original, &backup);
    let seen = store.append(append(1)).await.expect("appends").last;
    let id = store.heads().log_id();

    let store = Sqlite::open(&backup).await.expect("SQLite opens");
    assert_eq!(
        store.heads().log_id(),
        id,
        "a backup keeps the log's identity"
    );
    let boundary = Boundary::new(EventQuery::tagged(Tag::new("book", 9)), seen);
    let refused = store.append(append(2).boundary(boundary)).await;
    assert!(
        matches!(refused, Err(AppendError::Store(StoreError::Rewound { head: h, seen: s })) if (h, s) == (head, seen)),
        "decided on what is lost: {refused:?}"
    );
    let log = std::sync::Arc::new(store.clone());
    let outcome = Subscription::new(log, EventQuery::All, seen).next(1).await;
    assert!(
        matches!(outcome, Err(StoreError::Rewound { head: h, seen: s }) if (h, s) == (head, seen)),
        "a subscription that was further: {outcome:?}"
    );
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "noted", version = 1)]
pub struct Noted {
    #[id(Book)]
    pub book: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Note {
    #[id(Book)]
    pub book: u32,
}

#[derive(Default)]
pub struct Book {
    notes: u32,
}

#[aggregate(id = u32)]
impl Book {
    #[apply]
    fn noted(&mut self, _: &Noted) {
        self.notes += 1;
    }
}

#[command_handler]
fn note(Note { book }: Note, state: &Book) -> Option<Noted> {
    (state.notes < 100).then_some(Noted { book })
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Notes {
    #[key]
    pub book: u32,
    pub count: u32,
}

pub struct NoteCounts;

#[projection(name = "note-counts", version = 1)]
impl NoteCounts {
    #[on]
    fn noted(event: &Noted, notes: &mut Views<Notes>) -> Result<()> {
        let book = event.book;
        let count = notes.get(&book)?.map_or(0, |notes| notes.count);
        notes.put(Notes {
            book,
            count: count + 1,
        });
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct CountNotes {
    pub book: u32,
}

#[query_handler]
async fn count_notes(query: CountNotes, notes: Read<Notes>) -> Result<u32> {
    Ok(notes.get(&query.book).await?.map_or(0, |notes| notes.count))
}

/// I8: a checkpoint above the head is reported by health and by queries that wait; nobody takes
/// the read model for one that has caught up.
#[tokio::test]
async fn a_checkpoint_above_the_head_is_rewound() {
    let store = Memory::new();
    let batch = ViewBatch {
        shard: Shard::whole("projection:note-counts:1"),
        epoch: Epoch::UNCLAIMED,
        from: None,
        to: Position::new(100).into(),
        incarnation: Incarnation::default(),
        changes: Vec::new(),
        parked: Vec::new(),
    };
    store.commit(batch).await.expect("the checkpoint is set");
    let app = Dispatcher::builder()
        .module(module())
        .store(store)
        .build()
        .await;
    let app = app.expect("the domain is wired");
    let receipt = app.execute(Note { book: 1 }).await.expect("appends");
    let query = app.query(CountNotes { book: 1 }).after(&receipt);
    let asked = query.max_wait(Duration::from_millis(100)).await;
    let error = asked.expect_err("the read model is rewound");
    let QueryErrorKind::NotCaughtUp(behind) = error.kind() else {
        panic!("a read model that is rewound was taken for one that is not: {error:?}");
    };
    let why = behind.failing.as_deref().unwrap_or_default();
    assert!(
        why.contains("up to position 100"),
        "why it is behind: {why}"
    );
    assert!(!app.health().is_ok(), "{:?}", app.health());
}
