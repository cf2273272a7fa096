//! Processes that are killed while they migrate a database, at each of their writes in turn, on a disk
//! that may lose power at that moment.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use cqrs_sqlite::Sqlite;
use fastrand::Rng;
use rusqlite::Connection;

use super::assert_migrated;
use super::sqlite::{NEWEST, create, shown};
use crate::crash::disk::Disk;
use crate::crash::process::SIGKILL;

const COUNT: u64 = 5_000;

/// Opens the database in a process that is killed before this write; `false` if it makes fewer writes.
fn is_killed_at(disk: &Disk, write: u32) -> bool {
    let mut opener = Command::new(env!("CARGO_BIN_EXE_opener"));
    opener.arg(disk.database());
    let status = disk
        .attach(&mut opener)
        .env("POWERLOSS_KILL_AT_WRITE", write.to_string())
        .status()
        .expect("the process runs");
    assert!(
        status.success() || status.signal() == Some(SIGKILL),
        "{status}"
    );
    !status.success()
}

/// Migrates from this layout with one kill after another, each on a copy of the database.
async fn kill_at_each_write(disk: &Disk, version: usize) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let layout = directory.path().join("layout.db");
    let connection = create(&layout, version, COUNT);
    let before = shown(&connection, 1);
    drop(connection);
    let mut random = Rng::new();
    let mut write = 1;
    loop {
        fs::copy(&layout, disk.database()).expect("the file can be copied");
        disk.settle();
        if !is_killed_at(disk, write) {
            break;
        }
        // A loss of power drops all unsynced writes, or half of them.
        match write % 3 {
            0 => disk.lose_power(0.0, &mut random),
            1 => disk.lose_power(0.5, &mut random),
            _ => {}
        }
        let store = Sqlite::open(disk.database())
            .await
            .unwrap_or_else(|error| panic!("killed at write {write}: {error}"));
        let connection = Connection::open(disk.database()).expect("SQLite opens");
        assert_eq!(
            shown(&connection, 1),
            before,
            "killed at write {write} of version {version}"
        );
        assert_migrated(&store, COUNT).await;
        drop((connection, store));
        disk.clear();
        write += 1;
    }
    // The journal for WAL mode, the frames of the migration, and the checkpoint at the end.
    assert!(write > 15, "the migration made {write} writes");
    disk.clear();
}

#[tokio::test]
async fn a_migration_of_sqlite_that_is_killed_at_any_write_is_finished_by_the_next_process() {
    let Some(disk) = Disk::new() else { return };
    for version in 1..NEWEST {
        kill_at_each_write(&disk, version).await;
    }
}
