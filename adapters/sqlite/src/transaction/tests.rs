use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cqrs_core::store::{
    Epoch, EventLog, EventLogExt, Incarnation, LastEvent, LogTransaction, Shard, ViewStore,
    ViewTransaction,
};
use cqrs_core::{CommandId, EventId, Tx};

use super::*;
use crate::testing::{Directory, append, unless_after};
use crate::{Options, sql};

const NOTE: &str = "INSERT INTO notes VALUES (?1)";

/// A store on a database with a table of the user's.
async fn store_with(options: Options, directory: &Directory) -> Sqlite {
    let store = options.open(directory.database()).await.unwrap();
    other(directory)
        .execute_batch("CREATE TABLE notes (note ANY UNIQUE) STRICT")
        .unwrap();
    store
}

async fn store(directory: &Directory) -> Sqlite {
    store_with(Sqlite::options(), directory).await
}

/// A connection as another process has it.
fn other(directory: &Directory) -> Connection {
    Connection::open(directory.database()).unwrap()
}

/// How many events and notes there are.
fn kept(directory: &Directory) -> (i64, i64) {
    let both = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM notes)";
    let both = other(directory).query_row(both, [], |row| Ok((row.get(0)?, row.get(1)?)));
    both.unwrap()
}

fn batch(from: Option<u64>, to: u64) -> ViewBatch {
    ViewBatch {
        shard: Shard::whole("products"),
        epoch: Epoch::UNCLAIMED,
        from: from.map(Position::new),
        to: Position::new(to).into(),
        incarnation: Incarnation::default(),
        changes: Vec::new(),
        parked: Vec::new(),
    }
}

/// Lets the future come as far as it gets by itself.
fn start<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Poll<T> {
    let mut context = Context::from_waker(Waker::noop());
    future.as_mut().poll(&mut context)
}

#[tokio::test]
async fn what_is_written_commits_with_the_events() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    tx.execute(NOTE, ["a"]).unwrap();
    assert_eq!(kept(&directory), (0, 0));
    let appended = tx.append(append("a:1", b"{}")).await.unwrap();
    assert_eq!(appended.last.get(), 1);
    assert_eq!(kept(&directory), (1, 1));
    assert_eq!(store.heads().position().get(), 1);
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    tx.execute(NOTE, ["a"]).unwrap();
    drop(tx);
    let tx = store.begin().await.unwrap();
    tx.execute(NOTE, ["a"]).unwrap();
    drop(tx.append(append("a:1", b"{}")));
    store.append(append("a:1", b"{}")).await.unwrap();
    assert_eq!(kept(&directory), (1, 0));
}

#[tokio::test]
async fn anything_but_an_append_of_now_rolls_back() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let command = append("a:1", b"{}");
    store.append(command.clone()).await.unwrap();
    let noted = async |append| {
        let tx = store.begin().await.unwrap();
        tx.execute(NOTE, ["a"]).unwrap();
        tx.append(append).await
    };
    let conflict = noted(unless_after("a:1", 0)).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { at }) if at.get() == 1));
    assert!(noted(command.clone()).await.unwrap().replayed);
    let mismatch = noted(command.fingerprint(2)).await;
    assert!(matches!(mismatch, Err(AppendError::CommandMismatch { .. })));
    assert_eq!(kept(&directory), (1, 0));
    noted(unless_after("a:1", 1)).await.unwrap();
    assert_eq!(kept(&directory), (2, 1));
}

#[tokio::test]
async fn others_are_served_afterwards_in_their_order() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    let mut first = store.append(append("a:1", b"{}"));
    let mut begun = store.begin();
    let mut second = store.append(append("a:1", b"{}"));
    assert!(start(&mut first).is_pending());
    assert!(start(&mut begun).is_pending());
    assert!(start(&mut second).is_pending());
    assert_eq!(store.head().await.unwrap().get(), 0);
    let appended = tx.append(append("a:1", b"{}")).await.unwrap();
    assert_eq!(appended.last.get(), 1);
    let tx = begun.await.unwrap();
    assert!(start(&mut second).is_pending());
    let appended = tx.append(append("a:1", b"{}")).await.unwrap();
    assert_eq!(appended.last.get(), 3);
    assert_eq!(first.await.unwrap().last.get(), 2);
    assert_eq!(second.await.unwrap().last.get(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handlers_and_appends_work_one_after_the_other() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let notes = async |store: Sqlite| {
        for number in 0..50 {
            let tx = store.begin().await.unwrap();
            let count = "SELECT count(*) FROM notes";
            let count: i64 = tx.query_row(count, [], |row| row.get(0)).unwrap();
            tokio::task::yield_now().await;
            tx.execute(NOTE, [count]).unwrap();
            if number % 5 > 0 {
                tx.append(append("a:1", b"{}")).await.unwrap();
            } else {
                drop(tx);
            }
            store.append(append("a:1", b"{}")).await.unwrap();
        }
    };
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(notes(store.clone()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(kept(&directory), (360, 160));
}

#[tokio::test]
async fn who_does_not_wait_any_more_is_lent_nothing() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    let mut dropped = store.begin();
    assert!(start(&mut dropped).is_pending());
    let mut lent = store.begin();
    assert!(start(&mut lent).is_pending());
    drop(dropped);
    drop(tx);
    // This one was lent before it was dropped, or not: it is back anyway.
    drop(lent);
    store.append(append("a:1", b"{}")).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_waited_for() {
    let directory = Directory::new();
    let store = store_with(Sqlite::options().queue(1), &directory).await;
    let tx = store.begin().await.unwrap();
    let mut waiting = store.append(append("a:1", b"{}"));
    assert!(start(&mut waiting).is_pending());
    let mut begun = store.begin();
    assert!(start(&mut begun).is_pending());
    let refused = store.append(append("a:1", b"{}")).await;
    assert!(matches!(refused, Err(AppendError::Overloaded { .. })));
    drop(tx);
    begun.await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_handler_cannot_end_the_transaction() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    tx.execute(NOTE, ["a"]).unwrap();
    for end in ["COMMIT", "end", "ROLLBACK", "BEGIN"] {
        let denied = tx.execute_batch(end).unwrap_err();
        assert_eq!(denied.to_string(), "not authorized", "{end}");
    }
    tx.execute_batch("SAVEPOINT s; INSERT INTO notes VALUES ('b'); ROLLBACK TO s; SAVEPOINT t")
        .unwrap();
    tx.append(append("a:1", b"{}")).await.unwrap();
    assert_eq!(kept(&directory), (1, 1));
}

#[tokio::test]
async fn a_transaction_that_has_ended_keeps_nothing() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let twice = "INSERT OR ROLLBACK INTO notes VALUES ('a'), ('a')";
    // The others are statements that the store has prepared already.
    let ends: [(&str, &str); 3] = [
        (twice, "INSERT INTO notes VALUES ('b')"),
        (sql::COMMIT, "INSERT INTO notes VALUES ('b')"),
        (sql::ROLLBACK, sql::BEGIN_IMMEDIATE),
    ];
    store.append(append("a:1", b"{}")).await.unwrap();
    drop(store.begin().await.unwrap());
    for (end, after) in ends {
        let run = |tx: &Connection, sql: &str| {
            let _ = tx.prepare_cached(sql).and_then(|mut sql| sql.execute([]));
        };
        let mut tx = store.begin().await.unwrap();
        tx.execute(NOTE, ["c"]).unwrap();
        run(&tx, end);
        run(&tx, after);
        let checkpoint = tx.checkpoint(Shard::whole("products")).await.unwrap_err();
        assert!(checkpoint.to_string().contains("ended it"), "{checkpoint}");
        let error = tx.append(append("a:1", b"{}")).await.unwrap_err();
        assert!(matches!(error, AppendError::Transaction { .. }), "{error}");

        let tx = store.begin().await.unwrap();
        run(&tx, end);
        run(&tx, after);
        let error = tx.commit(batch(None, 1)).await.unwrap_err();
        assert!(matches!(error, ViewCommitError::Failed(_)), "{error}");
    }
    assert_eq!(kept(&directory), (1, 0));
}

#[tokio::test]
async fn the_tables_of_the_store_are_only_read() {
    let directory = Directory::new();
    let store = store(&directory).await;
    store.append(append("a:1", b"{}")).await.unwrap();
    let tx = store.begin().await.unwrap();
    for statement in [
        "DELETE FROM events",
        "UPDATE Events SET payload = ''",
        "INSERT INTO commands VALUES (x'01', 1, 1, 1)",
        "REPLACE INTO main.checkpoints (subscription, position) VALUES ('products', 1)",
        "DROP TABLE states",
        "DROP VIEW events_json",
        "DROP INDEX events_by_tag",
        "ALTER TABLE meta RENAME TO other",
        "ALTER TABLE events DROP COLUMN actor",
        "CREATE INDEX i ON events (time)",
        "CREATE TEMP TABLE events (a)",
        "CREATE TEMP VIEW head AS SELECT 1; CREATE TEMP VIEW models AS SELECT 1",
        "CREATE TABLE view_products (a)",
        "CREATE VIRTUAL TABLE view_text USING fts5 (a)",
        "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM notes; END",
        "CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM events; END; \
         INSERT INTO notes VALUES ('a')",
        "ATTACH ':memory:' AS other",
        "PRAGMA writable_schema = 1",
        "PRAGMA foreign_keys(0)",
    ] {
        let denied = tx.execute_batch(statement);
        let code = denied.err().and_then(|error| error.sqlite_error_code());
        let expected = Some(rusqlite::ErrorCode::AuthorizationForStatementDenied);
        assert_eq!(code, expected, "{statement}");
    }
    drop(tx);
    assert_eq!(kept(&directory), (1, 0));
}

#[tokio::test]
async fn a_handler_may_do_the_rest() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    tx.execute_batch(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT REFERENCES notes (note));
         CREATE INDEX orders_by_note ON orders (note);
         CREATE TRIGGER t AFTER INSERT ON notes BEGIN INSERT INTO orders (note) VALUES (NEW.note); END;
         CREATE VIRTUAL TABLE words USING fts5 (word);
         CREATE TEMP TABLE scratch (a);
         INSERT INTO notes VALUES ('a');
         INSERT INTO words SELECT type FROM events;
         ALTER TABLE orders ADD COLUMN price INTEGER;
         ALTER TABLE orders RENAME COLUMN price TO cost;
         DROP TRIGGER t;
         DROP TABLE scratch;
         ANALYZE;
         PRAGMA defer_foreign_keys = 1",
    )
    .unwrap();
    let column = "SELECT name FROM pragma_table_info('orders') ORDER BY cid DESC";
    let column = tx.query_row(column, [], |row| row.get(0));
    assert_eq!(column, Ok("cost".to_owned()));
    tx.append(append("a:1", b"{}")).await.unwrap();
    store.append(append("a:1", b"{}")).await.unwrap();
    assert_eq!(kept(&directory), (2, 1));
}

#[tokio::test]
async fn what_sqlite_refuses_at_the_end_is_the_handlers_error() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    let deferred = "CREATE TABLE orders (note REFERENCES notes DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO orders VALUES ('b')";
    tx.execute_batch(&deferred.replace("notes", "notes (note)"))
        .unwrap();
    let refused = tx.append(append("a:1", b"{}")).await.unwrap_err();
    assert!(matches!(&refused, AppendError::Transaction { reason } if reason.contains("FOREIGN")));
    let holds = store.append(unless_after("a:1", 0)).await.unwrap();
    assert_eq!(holds.last.get(), 1);
}

#[tokio::test]
async fn what_is_written_commits_with_the_checkpoint() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let mut tx = store.begin().await.unwrap();
    let checkpoint = tx.checkpoint(Shard::whole("products")).await;
    assert_eq!(checkpoint.unwrap(), None);
    tx.execute(NOTE, ["a"]).unwrap();
    let mut first = batch(None, 5);
    let last_event = LastEvent {
        position: Position::new(4),
        id: EventId::of(CommandId::new(), 0),
    };
    first.to.last_event = Some(last_event);
    let written = first.to;
    tx.commit(first).await.unwrap();
    assert_eq!(kept(&directory), (0, 1));

    let mut tx = store.begin().await.unwrap();
    let checkpoint = tx.checkpoint(Shard::whole("products")).await;
    assert_eq!(checkpoint.unwrap(), Some(Position::new(5)));
    tx.execute(NOTE, ["b"]).unwrap();
    let moved = tx.commit(batch(Some(4), 6)).await.unwrap_err();
    assert!(matches!(moved, ViewCommitError::Moved { found } if found == Some(Position::new(5))));
    assert_eq!(kept(&directory), (0, 1));
    let checkpoint = ViewStore::checkpoint(&store, &Shard::whole("products")).await;
    assert_eq!(checkpoint.unwrap(), Some(written));
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_not_lent() {
    let directory = Directory::new();
    let options = Sqlite::options().busy_timeout(Duration::from_millis(30));
    let store = store_with(options, &directory).await;
    let other = other(&directory);
    other.execute_batch(sql::BEGIN_IMMEDIATE).unwrap();
    let busy = store.begin().await.unwrap_err();
    assert!(matches!(busy, StoreError::Unavailable { .. }), "{busy}");
    other.execute_batch(sql::ROLLBACK).unwrap();
    store.begin().await.unwrap();
}

#[tokio::test]
async fn a_transaction_sees_what_another_process_appended() {
    let directory = Directory::new();
    let here = store(&directory).await;
    let there = Sqlite::open(directory.database()).await.unwrap();
    there.append(append("a:1", b"{}")).await.unwrap();
    let tx = here.begin().await.unwrap();
    let conflict = tx.append(unless_after("a:1", 0)).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { at }) if at.get() == 1));
    let tx = here.begin().await.unwrap();
    tx.append(unless_after("a:1", 1)).await.unwrap();
}

#[tokio::test]
async fn a_transaction_may_outlive_the_store() {
    let directory = Directory::new();
    for appends in [false, true] {
        let store = Sqlite::open(directory.database()).await.unwrap();
        let tx = store.begin().await.unwrap();
        drop(store);
        tx.execute_batch("CREATE TABLE notes (note TEXT)").unwrap();
        if appends {
            tx.append(append("a:1", b"{}")).await.unwrap();
        } else {
            drop(tx);
        }
        // The last connection is closed: SQLite has cleared away the write-ahead log.
        assert!(!directory.database().with_extension("db-wal").exists());
    }
    assert_eq!(kept(&directory), (1, 0));
}

#[tokio::test]
async fn a_handler_that_panics_gives_the_connection_back() {
    let directory = Directory::new();
    let store = store(&directory).await;
    let tx = store.begin().await.unwrap();
    let handler = tokio::spawn(async move {
        tx.execute(NOTE, ["a"]).unwrap();
        panic!("poison")
    });
    handler.await.unwrap_err();
    store.append(append("a:1", b"{}")).await.unwrap();
    assert_eq!(kept(&directory), (1, 0));
}

#[test]
fn a_handler_may_wait_while_it_has_the_transaction() {
    fn is_send(_: impl Send) {}
    async fn handler(tx: &mut Tx<Sqlite>) -> rusqlite::Result<i64> {
        tx.execute(NOTE, ["a"])?;
        tokio::task::yield_now().await;
        let count = {
            let mut select = tx.prepare("SELECT count(*) FROM notes")?;
            select.query_row([], |row| row.get(0))?
        };
        tokio::task::yield_now().await;
        tx.prepare_cached(NOTE)?.execute(["b"])?;
        Ok(count)
    }
    is_send(|tx: &'static mut Tx<Sqlite>| is_send(handler(tx)));
}
