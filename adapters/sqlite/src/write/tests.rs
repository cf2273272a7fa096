mod answers;
mod blocks;
mod growth;
mod inline;
mod leases;
mod positions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::{
    Append, AppendError, AppendToken, Appended, Epoch, Incarnation, ModelSchema, Shard, StateKey,
    StateWrite, StoreError, ViewBatch, ViewChange, ViewCommitError,
};
use cqrs_core::{CommandId, Position};
use rusqlite::{Connection, StatementStatus, ffi};
use tokio::sync::oneshot;

use super::append::AppendTask;
use super::engine::Engine;
use super::models::PrepareTask;
use super::shards::ShardTask;
use super::task::{Batch, Log, Task};
use super::views::ViewTask;
use crate::fault::Fault;
use crate::open::Database;
use crate::testing::{Directory, append, unless_after};
use crate::{Options, Sqlite, row, sql};
use cqrs_kit::tail::LogTail;

/// What becomes of the next commits, each of which is reported as an I/O error; and a function that is
/// called before each commit, on its thread.
#[derive(Default)]
pub(super) struct CommitFaults(VecDeque<CommitFault>, Option<Box<dyn FnMut() + Send>>);

#[derive(Clone, Copy)]
enum CommitFault {
    Lost,
    Kept,
}

impl CommitFaults {
    pub(super) fn strike(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if let Some(on_commit) = &mut self.1 {
            on_commit();
        }
        let Some(fault) = self.0.pop_front() else {
            return Ok(());
        };
        if matches!(fault, CommitFault::Kept) {
            conn.execute_batch(sql::COMMIT)?;
        }
        let error = ffi::Error::new(ffi::SQLITE_IOERR_FSYNC);
        Err(rusqlite::Error::SqliteFailure(error, None))
    }
}

type Answer = oneshot::Receiver<Result<Appended, AppendError>>;

fn engine(directory: &Directory, options: &Options) -> Engine {
    let database = Database::open(options, &directory.database()).unwrap();
    let tail = LogTail::new(database.id, database.head, options.writer.window());
    let (conn, guard) = database.writer.unwrap();
    Engine::new(conn, guard, database.files, options.writer.window(), tail)
}

/// Puts an append into a batch.
fn put(batch: &mut Batch, append: Append) -> Answer {
    let (task, answer) = AppendTask::new(append).unwrap();
    batch.push(Box::new(task));
    answer
}

fn position(answer: Answer) -> u64 {
    answer.blocking_recv().unwrap().unwrap().last.get()
}

fn error(answer: Answer) -> AppendError {
    answer.blocking_recv().unwrap().unwrap_err()
}

fn write_one(engine: &mut Engine, append: Append) -> Result<Appended, AppendError> {
    let mut batch = Batch::new();
    let answer = put(&mut batch, append);
    engine.write(batch).send();
    answer.blocking_recv().unwrap()
}

fn head(directory: &Directory) -> u64 {
    let conn = Connection::open(directory.database()).unwrap();
    row::head(&conn).unwrap().position.get()
}

/// A task that fails in its own way after it has written something.
struct Poison(fn() -> Result<(), Fault>);

impl Task for Poison {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        log.conn.execute("DELETE FROM events", [])?;
        (self.0)()
    }

    fn is_effective(&self) -> bool {
        false
    }

    fn is_there(&self, _conn: &Connection) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    fn answer(self: Box<Self>) {}

    fn fail(self: Box<Self>, _fault: Fault) {}

    fn bytes(&self) -> usize {
        0
    }
}

#[test]
fn a_task_that_fails_or_panics_fails_alone() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    let mut batch = Batch::new();
    let first = put(&mut batch, append("a:1", b"{}"));
    batch.push(Box::new(Poison(|| Err(Fault::data("poison")))));
    let second = put(&mut batch, unless_after("b:1", 0));
    batch.push(Box::new(Poison(|| panic!("poison"))));
    let third = put(&mut batch, unless_after("b:1", 2));
    let fourth = put(&mut batch, unless_after("b:1", 2));
    engine.write(batch).send();
    assert_eq!([first, second, third].map(position), [1, 2, 3]);
    let conflict = error(fourth);
    assert!(matches!(conflict, AppendError::Conflict { at } if at.get() == 3));
    assert_eq!(head(&directory), 3);
}

#[test]
fn a_rolled_back_event_is_no_evidence() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options().window(1));
    let mut batch = Batch::new();
    let first = put(&mut batch, append("a:1", b"{}"));
    let second = put(&mut batch, append("a:1", b"{}"));
    batch.push(Box::new(Poison(|| {
        Err(rusqlite::Error::InvalidQuery.into())
    })));
    engine.write(batch).send();
    // That fault concerns everyone, so nothing is tried again.
    assert!(matches!(
        error(first),
        AppendError::Store(StoreError::Corrupt { .. })
    ));
    assert!(matches!(
        error(second),
        AppendError::Store(StoreError::Corrupt { .. })
    ));
    let appended = write_one(&mut engine, unless_after("a:1", 0)).unwrap();
    assert_eq!(appended.last.get(), 1);
}

#[test]
fn one_id_twice_in_a_batch_has_one_effect() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    let mut batch = Batch::new();
    let command = unless_after("a:1", 0);
    let first = put(&mut batch, command.clone());
    let again = put(&mut batch, command.clone());
    let other = put(&mut batch, command.fingerprint(2));
    engine.write(batch).send();
    assert!(!first.blocking_recv().unwrap().unwrap().replayed);
    assert!(again.blocking_recv().unwrap().unwrap().replayed);
    assert!(matches!(error(other), AppendError::CommandMismatch { .. }));
    assert_eq!(head(&directory), 1);
}

#[test]
fn appends_of_another_process_are_seen_whatever_the_window_holds() {
    for window in [0, 1, 2, 100] {
        let directory = Directory::new();
        let options = Sqlite::options().window(window);
        let (mut here, mut there) = (engine(&directory, &options), engine(&directory, &options));
        for number in 0..4 {
            write_one(&mut there, append(&format!("a:{number}"), b"{}")).unwrap();
        }
        let conflict = write_one(&mut here, unless_after("a:0", 0)).unwrap_err();
        assert!(matches!(conflict, AppendError::Conflict { at } if at.get() == 1));
        let holds = write_one(&mut here, unless_after("a:0", 1)).unwrap();
        assert_eq!(holds.last.get(), 5);
        let conflict = write_one(&mut there, unless_after("a:0", 4)).unwrap_err();
        assert!(matches!(conflict, AppendError::Conflict { at } if at.get() == 5));
    }
}

/// I6: other processes record an assigned id before its first sending arrives, with an event or without.
#[test]
fn a_repetition_in_another_process_is_found_whatever_the_window_holds() {
    for (window, events) in [(0, 0), (0, 1), (1, 0), (100, 0), (100, 1)] {
        let directory = Directory::new();
        let options = Sqlite::options().window(window);
        let (mut here, mut there) = (engine(&directory, &options), engine(&directory, &options));
        write_one(&mut here, append("a:1", b"{}")).unwrap();
        let mut first = append("a:1", b"{}").given_id(false);
        first.command = CommandId::assigned(first.time);
        let mut again = first.clone().given_id(true);
        again.events.truncate(events);
        let recorded = write_one(&mut there, again).unwrap();
        // What is known of the other process stays known after a failure.
        here.faults.0.push_back(CommitFault::Lost);
        write_one(&mut here, append("a:1", b"{}")).unwrap_err();
        let answer = write_one(&mut here, first).unwrap();
        assert!(answer.replayed);
        assert_eq!(
            (answer.first, answer.count),
            (recorded.first, events as u64)
        );
    }
}

/// Each transaction would pay for these reads.
#[test]
fn the_end_of_the_log_is_read_only_after_a_commit_of_another_connection() {
    let directory = Directory::new();
    let options = Sqlite::options();
    let (mut here, mut there) = (engine(&directory, &options), engine(&directory, &options));
    let reads = |engine: &Engine| {
        [sql::HEAD, sql::SELECT_RESENT].map(|read| {
            let statement = engine.conn().prepare_cached(read).unwrap();
            statement.get_status(StatementStatus::Run)
        })
    };
    write_one(&mut here, append("a:1", b"{}")).unwrap();
    let first = reads(&here);
    for commits in 0..4 {
        for _ in 0..10 {
            write_one(&mut here, append("a:1", b"{}")).unwrap();
            write_one(&mut here, Append::new(CommandId::new(), Vec::new())).unwrap();
            write_one(&mut here, unless_after("a:1", 0)).unwrap_err();
        }
        assert_eq!(reads(&here), first.map(|before| before + commits));
        // Without events, which would be read as well.
        write_one(&mut there, Append::new(CommandId::new(), Vec::new())).unwrap();
    }
}

#[test]
fn a_time_is_raised_to_that_of_another_process() {
    let directory = Directory::new();
    let options = Sqlite::options();
    let (mut here, mut there) = (engine(&directory, &options), engine(&directory, &options));
    let late = append("a:1", b"{}");
    let early = append("a:1", b"{}").at("2001-01-01T00:00:00Z".parse().unwrap());
    let expected = late.time.as_microsecond();
    write_one(&mut there, late).unwrap();
    write_one(&mut here, early).unwrap();
    let conn = Connection::open(directory.database()).unwrap();
    assert_eq!(row::head(&conn).unwrap().time, expected);
}

#[test]
fn only_what_does_not_fit_is_refused_when_the_disk_is_full() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    write_one(&mut engine, append("a:1", b"{}")).unwrap();
    engine.limit_pages(20);
    let mut batch = Batch::new();
    let small = put(&mut batch, append("a:1", b"{}"));
    let large = put(&mut batch, append("a:1", &vec![b'1'; 200_000]));
    let last = put(&mut batch, append("a:1", b"{}"));
    engine.write(batch).send();
    assert_eq!(position(small), 2);
    assert!(matches!(
        error(large),
        AppendError::Store(StoreError::Full { .. })
    ));
    assert_eq!(position(last), 3);
}

#[test]
fn a_failed_commit_that_took_place_is_found() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    engine.faults.0.push_back(CommitFault::Kept);
    let mut batch = Batch::new();
    let first = put(&mut batch, append("a:1", b"{}"));
    let second = put(&mut batch, unless_after("a:1", 0));
    engine.write(batch).send();
    assert_eq!(position(first), 1);
    assert!(matches!(error(second), AppendError::Conflict { .. }));
    let conflict = write_one(&mut engine, unless_after("a:1", 0)).unwrap_err();
    assert!(matches!(conflict, AppendError::Conflict { .. }));
}

/// A task moves the checkpoint that a view commit of the same transaction has set, so the two do not agree.
#[test]
fn a_failed_commit_of_which_one_part_was_overwritten_is_said_not_to_be_known() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    prepare(&mut engine, model(&[])).unwrap();
    engine.faults.0.push_back(CommitFault::Kept);
    let mut batch = Batch::new();
    let (views, views_answer) = ViewTask::new(views(model(&[]), None)).unwrap();
    batch.push(Box::new(views));
    let (moving, _) = ShardTask::new(|conn: &Connection| {
        conn.execute("UPDATE checkpoints SET position = 0", [])?;
        Ok(())
    });
    batch.push(Box::new(moving));
    let command = append("a:1", b"{}");
    let unknown = put(&mut batch, command.clone());
    engine.write(batch).send();
    assert!(matches!(error(unknown), AppendError::Indeterminate { .. }));
    assert!(views_answer.blocking_recv().unwrap().is_err());
    assert!(write_one(&mut engine, command).unwrap().replayed);
}

#[test]
fn a_failed_commit_that_did_not_take_place_is_undone() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    engine.faults.0.push_back(CommitFault::Lost);
    let lost = write_one(&mut engine, append("a:1", b"{}")).unwrap_err();
    assert!(matches!(
        lost,
        AppendError::Store(StoreError::Unavailable { .. })
    ));
    assert_eq!(head(&directory), 0);
    let after = write_one(&mut engine, unless_after("a:1", 0)).unwrap();
    assert_eq!(after.last.get(), 1);
}

#[test]
fn an_append_without_events_that_was_rolled_back_cannot_be_followed() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    let [lost, written] = [AppendToken::new(), AppendToken::new()];
    let empty = |token| Append::new(CommandId::new(), Vec::new()).token(token);
    engine.faults.0.push_back(CommitFault::Lost);
    write_one(&mut engine, empty(lost)).unwrap_err();
    write_one(&mut engine, empty(written)).unwrap();
    let follower = |token| {
        let mut append = unless_after("a:1", 0);
        append.boundaries[0].after_append = Some(token);
        append
    };
    let refused = write_one(&mut engine, follower(lost)).unwrap_err();
    assert!(matches!(refused, AppendError::Conflict { .. }));
    write_one(&mut engine, follower(written)).unwrap();
}

#[test]
fn what_cannot_be_found_out_is_said_not_to_be_known() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    engine.faults.0 = [CommitFault::Kept, CommitFault::Lost].into();
    let command = append("a:1", b"{}");
    let unknown = write_one(&mut engine, command.clone()).unwrap_err();
    assert!(matches!(unknown, AppendError::Indeterminate { .. }));
    // To send it again tells which it was.
    assert!(write_one(&mut engine, command).unwrap().replayed);
}

#[test]
fn while_another_process_holds_the_lock_nothing_is_done() {
    let directory = Directory::new();
    let options = Sqlite::options().busy_timeout(Duration::from_millis(30));
    let mut engine = engine(&directory, &options);
    let other = Connection::open(directory.database()).unwrap();
    other.execute_batch(sql::BEGIN_IMMEDIATE).unwrap();
    let busy = write_one(&mut engine, append("a:1", b"{}")).unwrap_err();
    assert!(
        matches!(busy, AppendError::Store(StoreError::Unavailable { .. })),
        "{busy}"
    );
    other.execute_batch(sql::ROLLBACK).unwrap();
    write_one(&mut engine, append("a:1", b"{}")).unwrap();
}

#[test]
fn states_are_compared_within_a_batch() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    let write = |based_on| {
        append("a:1", b"{}").state(StateWrite {
            key: StateKey {
                aggregate: "a",
                id: "1".to_owned(),
            },
            body: b"{}".to_vec(),
            based_on,
        })
    };
    let mut batch = Batch::new();
    let first = put(&mut batch, write(None));
    let stale = put(&mut batch, write(None));
    let second = put(&mut batch, write(Some(Position::new(1))));
    engine.write(batch).send();
    assert_eq!(position(first), 1);
    assert!(matches!(error(stale), AppendError::Conflict { at } if at.get() == 1));
    assert_eq!(position(second), 2);
}

fn model(indexes: &[&'static str]) -> ModelSchema {
    ModelSchema {
        table: "products_1_product_view".to_owned(),
        indexes: indexes.to_vec(),
    }
}

fn prepare(engine: &mut Engine, model: ModelSchema) -> Result<(), String> {
    let (task, answer) = PrepareTask::new(vec![model]);
    engine.write(vec![Box::new(task)]).send();
    let answer = answer.blocking_recv().unwrap();
    answer.map_err(|error| error.to_string())
}

/// A batch that writes one view without sort keys.
fn views(model: ModelSchema, from: Option<Position>) -> ViewBatch {
    ViewBatch {
        shard: Shard::whole("products"),
        epoch: Epoch::UNCLAIMED,
        from,
        to: Position::new(1).into(),
        incarnation: Incarnation::default(),
        changes: vec![ViewChange {
            model: Arc::new(model),
            key: "P1".to_owned(),
            view: Some((b"{}".to_vec(), Vec::new())),
            position: Position::new(1),
            is_new: false,
        }],
        parked: Vec::new(),
    }
}

#[test]
fn views_share_a_transaction_with_appends_and_fail_alone() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    let mut batch = Batch::new();
    let first = put(&mut batch, append("a:1", b"{}"));
    let (task, unprepared) = ViewTask::new(views(model(&[]), None)).unwrap();
    batch.push(Box::new(task));
    let second = put(&mut batch, append("a:1", b"{}"));
    engine.write(batch).send();
    assert_eq!([first, second].map(position), [1, 2]);
    let failed = unprepared.blocking_recv().unwrap().unwrap_err();
    assert!(matches!(failed, ViewCommitError::Failed(_)));

    prepare(&mut engine, model(&[])).unwrap();
    let mut batch = Batch::new();
    let [(task, first), (late, second)] =
        [None, None].map(|from| ViewTask::new(views(model(&[]), from)).unwrap());
    batch.push(Box::new(task));
    batch.push(Box::new(late));
    let third = put(&mut batch, append("a:1", b"{}"));
    engine.write(batch).send();
    assert!(first.blocking_recv().unwrap().is_ok());
    let moved = second.blocking_recv().unwrap().unwrap_err();
    assert!(matches!(moved, ViewCommitError::Moved { found } if found == Some(Position::new(1))));
    assert_eq!(position(third), 3);
}

#[test]
fn views_that_do_not_fit_tell_of_a_full_disk() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    prepare(&mut engine, model(&[])).unwrap();
    engine.limit_pages(20);
    let large = |size| {
        let mut batch = views(model(&[]), None);
        batch.changes[0].view = Some((vec![b'1'; size], Vec::new()));
        ViewTask::new(batch).unwrap()
    };
    let (task, answer) = large(200_000);
    engine.write(vec![Box::new(task)]).send();
    let full = answer.blocking_recv().unwrap().unwrap_err();
    assert!(
        matches!(full, ViewCommitError::Failed(StoreError::Full { .. })),
        "{full}"
    );
    let (task, answer) = large(100);
    engine.write(vec![Box::new(task)]).send();
    answer.blocking_recv().unwrap().unwrap();
}

#[test]
fn a_read_model_is_made_anew_only_while_it_is_empty() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    prepare(&mut engine, model(&["price"])).unwrap();
    prepare(&mut engine, model(&["price"])).unwrap();
    prepare(&mut engine, model(&[])).unwrap();
    let (task, answer) = ViewTask::new(views(model(&[]), None)).unwrap();
    engine.write(vec![Box::new(task)]).send();
    answer.blocking_recv().unwrap().unwrap();
    prepare(&mut engine, model(&[])).unwrap();
    let error = prepare(&mut engine, model(&["name"])).unwrap_err();
    assert!(error.contains("raise its projection's version"), "{error}");
}

#[test]
fn a_view_needs_a_sort_key_per_index() {
    let refused = ViewTask::new(views(model(&["price"]), None)).err();
    assert!(matches!(refused, Some(ViewCommitError::Failed(_))));
}

#[test]
fn only_plain_names_become_tables() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    for name in ["", "a b", "a\"", "A", "a;--", "ä"] {
        let model = ModelSchema {
            table: name.to_owned(),
            indexes: Vec::new(),
        };
        assert!(prepare(&mut engine, model).is_err(), "{name}");
    }
}
