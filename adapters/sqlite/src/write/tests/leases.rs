//! What becomes of a handler's transaction when `COMMIT` fails.

use cqrs_core::store::{Append, AppendError, Appended, StoreError, ViewCommitError};
use rusqlite::Connection;

use super::{CommitFault, Directory, append, engine, head, model, prepare, unless_after, views};
use crate::Sqlite;
use crate::write::append::AppendTask;
use crate::write::engine::Engine;
use crate::write::views::ViewTask;

/// An engine on a database with a table of the user's.
fn lendable(directory: &Directory) -> Engine {
    let engine = engine(directory, &Sqlite::options());
    let conn = Connection::open(directory.database()).unwrap();
    conn.execute_batch("CREATE TABLE notes (note TEXT UNIQUE) STRICT")
        .unwrap();
    engine
}

/// Appends in the transaction of a handler that takes a note.
fn note(engine: &mut Engine, append: Append) -> Result<Appended, AppendError> {
    engine.lease().unwrap();
    let insert = "INSERT INTO notes VALUES ('a')";
    assert_eq!(engine.conn().execute(insert, []), Ok(1));
    let (task, answer) = AppendTask::new(append).unwrap();
    engine.reclaim(Some(Box::new(task))).send();
    answer.blocking_recv().unwrap()
}

fn notes(directory: &Directory) -> u64 {
    let conn = Connection::open(directory.database()).unwrap();
    conn.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .map(i64::cast_unsigned)
        .unwrap()
}

#[test]
fn a_failed_commit_that_took_place_is_found() {
    let directory = Directory::new();
    let mut engine = lendable(&directory);
    engine.faults.0.push_back(CommitFault::Kept);
    let appended = note(&mut engine, unless_after("a:1", 0)).unwrap();
    assert_eq!(appended.last.get(), 1);
    assert_eq!((head(&directory), notes(&directory)), (1, 1));
}

#[test]
fn a_failed_commit_that_did_not_take_place_is_undone() {
    let directory = Directory::new();
    let mut engine = lendable(&directory);
    engine.faults.0.push_back(CommitFault::Lost);
    let lost = note(&mut engine, append("a:1", b"{}")).unwrap_err();
    assert!(matches!(
        lost,
        AppendError::Store(StoreError::Unavailable { .. })
    ));
    assert_eq!((head(&directory), notes(&directory)), (0, 0));
    let after = note(&mut engine, unless_after("a:1", 0)).unwrap();
    assert_eq!(after.last.get(), 1);
}

#[test]
fn what_cannot_be_found_out_is_said_not_to_be_known() {
    let directory = Directory::new();
    let mut engine = lendable(&directory);
    engine.faults.0 = [CommitFault::Kept, CommitFault::Lost].into();
    let unknown = note(&mut engine, append("a:1", b"{}")).unwrap_err();
    assert!(matches!(unknown, AppendError::Indeterminate { .. }));
}

#[test]
fn a_checkpoint_is_settled_alike() {
    let directory = Directory::new();
    let mut engine = lendable(&directory);
    prepare(&mut engine, model(&[])).unwrap();
    let mut commit = |fault| {
        engine.faults.0.push_back(fault);
        engine.lease().unwrap();
        let (task, answer) = ViewTask::new(views(model(&[]), None)).unwrap();
        engine.reclaim(Some(Box::new(task))).send();
        answer.blocking_recv().unwrap()
    };
    let lost = commit(CommitFault::Lost).unwrap_err();
    assert!(matches!(lost, ViewCommitError::Failed(_)));
    commit(CommitFault::Kept).unwrap();
}

#[test]
fn an_append_that_finds_the_disk_full_takes_all_with_it() {
    let directory = Directory::new();
    let mut engine = lendable(&directory);
    engine.limit_pages(25);
    let full = note(&mut engine, append("a:1", &vec![b'1'; 200_000])).unwrap_err();
    assert!(
        matches!(full, AppendError::Store(StoreError::Full { .. })),
        "{full}"
    );
    assert_eq!((head(&directory), notes(&directory)), (0, 0));
    note(&mut engine, unless_after("a:1", 0)).unwrap();
}
