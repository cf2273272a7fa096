//! Positions, which are the numbers that SQLite gives to rows.

use super::*;

#[test]
fn an_event_that_does_not_follow_the_last_one_is_refused() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    write_one(&mut engine, append("a:1", b"{}")).unwrap();
    // The engine does not learn of this, being the connection that has written it.
    let moved = engine.conn().execute("UPDATE events SET position = 7", []);
    assert_eq!(moved, Ok(1));
    let refused = write_one(&mut engine, append("a:1", b"{}")).unwrap_err();
    assert!(
        matches!(refused, AppendError::Store(StoreError::Corrupt { .. })),
        "{refused}"
    );
    assert_eq!(head(&directory), 7);
}

/// I3: the positions of events that were rolled back are given again.
#[test]
fn positions_are_contiguous_after_a_rollback() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    let mut batch = Batch::new();
    let first = put(&mut batch, append("a:1", b"{}"));
    batch.push(Box::new(Poison(|| Err(Fault::data("poison")))));
    let second = put(&mut batch, append("a:1", b"{}"));
    engine.write(batch).send();
    assert_eq!([first, second].map(position), [1, 2]);
    engine.faults.0.push_back(CommitFault::Lost);
    write_one(&mut engine, append("a:1", b"{}")).unwrap_err();
    let third = write_one(&mut engine, append("a:1", b"{}")).unwrap();
    assert_eq!(third.last.get(), 3);
    let conn = Connection::open(directory.database()).unwrap();
    let stored = conn.query_row("SELECT group_concat(position) FROM events", [], |row| {
        row.get::<_, String>(0)
    });
    assert_eq!(stored.unwrap(), "1,2,3");
}
