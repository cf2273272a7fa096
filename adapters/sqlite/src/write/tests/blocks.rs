//! The ranges of ids in `command_blocks`, whoever wrote the events of a block, and what was rolled back.

use cqrs_core::CommandId;
use cqrs_core::store::Append;
use rusqlite::{Connection, StatementStatus};

use super::{CommitFault, Directory, append, engine, write_one};
use crate::write::engine::Engine;
use crate::{Sqlite, sql};

/// A command with as many events. Its id is assigned, and higher than those of earlier commands.
fn events(count: usize) -> Append {
    let mut append = append("a:1", b"{}").given_id(false);
    append.command = CommandId::assigned(append.time);
    append.events = vec![append.events.remove(0); count];
    append
}

fn write(engine: &mut Engine, count: usize) {
    write_one(engine, events(count)).unwrap();
}

/// The finished blocks of which the engine has read the events.
fn reads(engine: &Engine) -> i32 {
    let finish = engine.conn().prepare_cached(sql::FINISH_BLOCK).unwrap();
    finish.get_status(StatementStatus::Run)
}

/// The number of ranges, all of which are those of the events.
fn ranges(directory: &Directory) -> usize {
    let conn = Connection::open(directory.database()).unwrap();
    let [recorded, expected] = [
        "SELECT block, lowest, highest FROM command_blocks ORDER BY block",
        "SELECT (position - 1) / 256, min(command), max(command) FROM events
         WHERE fingerprint IS NOT NULL
             AND position <= (SELECT max(position) / 256 * 256 FROM events)
         GROUP BY 1 ORDER BY 1",
    ]
    .map(|select| {
        let mut select = conn.prepare(select).unwrap();
        let rows = select.query_map([], |row| {
            let id = |column| row.get::<_, Vec<u8>>(column);
            Ok((row.get::<_, i64>(0)?, id(1)?, id(2)?))
        });
        rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    });
    assert_eq!(recorded, expected);
    recorded.len()
}

#[test]
fn the_events_of_a_block_are_not_read_by_the_process_that_wrote_them_all() {
    let directory = Directory::new();
    let mut engine = engine(&directory, &Sqlite::options());
    // With given ids, which are recorded elsewhere, and over the bounds of blocks.
    let late = events(3);
    for _ in 0..6 {
        write(&mut engine, 99);
        write_one(&mut engine, append("a:1", b"{}")).unwrap();
    }
    write_one(&mut engine, late).unwrap();
    write(&mut engine, 300);
    assert_eq!((ranges(&directory), reads(&engine)), (3, 0));
    // None has an assigned id.
    let given = append("a:1", b"{}").events.remove(0);
    write_one(&mut engine, Append::new(CommandId::new(), vec![given; 600])).unwrap();
    assert_eq!((ranges(&directory), reads(&engine)), (4, 0));
}

#[test]
fn the_events_of_several_processes_are_read() {
    let directory = Directory::new();
    let options = Sqlite::options();
    let (mut here, mut there) = (engine(&directory, &options), engine(&directory, &options));
    write(&mut here, 100);
    write(&mut there, 56);
    write(&mut here, 100);
    assert_eq!((ranges(&directory), reads(&here)), (1, 1));
    // One that was opened in the midst of a block.
    write(&mut here, 100);
    drop(here);
    let mut here = engine(&directory, &options);
    write(&mut here, 156);
    assert_eq!((ranges(&directory), reads(&here)), (2, 1));
    write(&mut here, 256);
    assert_eq!((ranges(&directory), reads(&here)), (3, 1));
}

#[test]
fn what_was_rolled_back_is_in_no_range() {
    let directory = Directory::new();
    let options = Sqlite::options();
    let (mut here, mut there) = (engine(&directory, &options), engine(&directory, &options));
    here.faults.0.push_back(CommitFault::Lost);
    write_one(&mut here, events(100)).unwrap_err();
    // Their positions are those of other events now.
    write(&mut there, 100);
    write(&mut here, 200);
    assert_eq!((ranges(&directory), reads(&here)), (1, 1));
}
