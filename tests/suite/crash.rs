//! Processes that are killed while they write, and disks that lose power.

pub mod disk;
#[path = "../crash/domain.rs"]
mod domain;
#[cfg(target_os = "linux")]
mod full;
pub mod ledger;
pub mod process;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use disk::Disk;
use fastrand::Rng;
use ledger::Ledger;
use process::Writer;

/// Two processes write to one file, and each is killed after it has said a random number of
/// things: sometimes while it opens the database, mostly in the middle of everything.
fn write_and_kill(
    database: &Path,
    ledger: &mut Ledger,
    random: &mut Rng,
    synchronous: &str,
    disk: Option<&Disk>,
) {
    let start = || {
        Writer::start(database, synchronous, |command| match disk {
            Some(disk) => disk.attach(command),
            None => command,
        })
    };
    let (first, second) = (start(), start());
    let most = if random.u8(..6) == 0 { 3 } else { 160 };
    ledger.note(first.listen(random.usize(1..most)));
    ledger.note(first.kill());
    // The other one lives on, for a while or not at all.
    ledger.note(second.listen(random.usize(1..most)));
    ledger.note(second.kill());
}

/// I1, I3, I6, I7, I8, I9: `kill -9`, 60 times, with 12 writers in two processes.
#[test]
fn killed_processes_lose_nothing_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let database = directory.path().join("log.db");
    let (mut ledger, mut random) = (Ledger::default(), Rng::new());
    for _ in 0..60 {
        write_and_kill(&database, &mut ledger, &mut random, "full", None);
        ledger.check(&database);
    }
    ledger.audit(&database);
    let (acknowledged, unanswered) = (ledger.acknowledged(), ledger.unanswered);
    println!("{acknowledged} commands acknowledged; {unanswered} done whose answer was lost");
    assert!(
        acknowledged > 1000,
        "the writers hardly wrote: {acknowledged} commands"
    );
}

/// I1, I3, I6, I7, I8: `kill -9` of a lone writer, which commits on its own thread.
#[test]
fn killed_lone_writers_lose_nothing_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let database = directory.path().join("log.db");
    let (mut ledger, mut random) = (Ledger::default(), Rng::new());
    for _ in 0..20 {
        let writer = Writer::start(&database, "lone", |command| command);
        ledger.note(writer.listen(random.usize(1..300)));
        ledger.note(writer.kill());
        ledger.check(&database);
    }
    ledger.audit(&database);
    let acknowledged = ledger.acknowledged();
    assert!(
        acknowledged > 200,
        "the writers hardly wrote: {acknowledged} commands"
    );
}

/// I1, I6, I7: a disk that fills up takes nothing back, and what did not fit has left no trace.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing_acknowledged() {
    let Some(disk) = full::SmallDisk::new() else {
        return;
    };
    let (said, complaint) = disk.fill();
    assert!(complaint.contains("is full"), "{complaint}");
    let mut ledger = Ledger::default();
    ledger.note(said);
    assert!(ledger.acknowledged() > 100, "the writers hardly wrote");
    // With room again, the log continues.
    ledger.check(&disk.database());
    ledger.audit(&disk.database());
}

/// A database is whole or not there, at whatever moment of its creation two processes are killed.
#[test]
fn a_database_survives_its_creation() {
    let mut random = Rng::new();
    for round in 0..16 {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = directory.path().join("log.db");
        let mut ledger = Ledger::default();
        let start = || Writer::start(&database, "full", |command| command);
        let (first, second) = (start(), start());
        // What the second one has said is all that is known about how far the first one is.
        ledger.note(second.listen(1 + round % 8));
        let (early, late) = if random.bool() {
            (first, second)
        } else {
            (second, first)
        };
        ledger.note(early.kill());
        ledger.note(late.kill());
        ledger.check(&database);
        ledger.audit(&database);
    }
}

/// I7: events that were acknowledged, or only seen, are there after a loss of power.
#[test]
#[cfg(target_os = "linux")]
fn power_loss_takes_nothing_acknowledged() {
    let Some(disk) = Disk::new() else { return };
    let (mut ledger, mut random) = (Ledger::default(), Rng::new());
    for round in 0..40 {
        disk.settle();
        write_and_kill(
            &disk.database(),
            &mut ledger,
            &mut random,
            "full",
            Some(&disk),
        );
        disk.lose_power([0.0, 0.5][round % 2], &mut random);
        ledger.check(&disk.database());
    }
    ledger.audit(&disk.database());
    assert!(ledger.acknowledged() > 300, "the writers hardly wrote");
}

/// I7: visible means durable. A process is killed before each of its syncs in turn, beginning with
/// those that create the database; the next process to open it may find a commit that was never
/// synced; what it shows of it is there after a loss of power.
#[test]
#[cfg(target_os = "linux")]
fn what_a_dead_process_left_is_synced_before_it_is_seen() {
    let Some(disk) = Disk::new() else { return };
    let (mut ledger, mut random) = (Ledger::default(), Rng::new());
    for sync in (1..=12).chain(1..=12).chain([20, 30, 40]) {
        disk.settle();
        let writer = Writer::start(&disk.database(), "full", |command| {
            let at = format!("{sync}");
            disk.attach(command).env("POWERLOSS_KILL_AT", at)
        });
        ledger.note(writer.last_words());
        let next = Writer::start(&disk.database(), "full", |command| disk.attach(command));
        ledger.note(next.listen_until_seen());
        ledger.note(next.kill());
        disk.lose_power([0.0, 0.5][sync % 2], &mut random);
        ledger.check(&disk.database());
    }
    ledger.audit(&disk.database());
}

/// That the tests above can fail: with `synchronous=NORMAL`, which does not sync every commit, a
/// loss of power takes acknowledged commands with it.
#[test]
#[cfg(target_os = "linux")]
fn power_loss_takes_what_was_not_synced() {
    let Some(disk) = Disk::new() else { return };
    let writer = Writer::start(&disk.database(), "normal", |command| disk.attach(command));
    let mut ledger = Ledger::default();
    while ledger.acknowledged() < 20 {
        ledger.note(writer.listen(1));
    }
    ledger.note(writer.kill());
    assert!(disk.syncs() > 0, "the database's creation is synced");
    disk.lose_power(0.0, &mut Rng::new());
    let check = AssertUnwindSafe(|| ledger.check(&disk.database()));
    let verdict = catch_unwind(check).expect_err("what was not synced is lost");
    let verdict = verdict.downcast_ref::<String>().map_or("", String::as_str);
    assert!(
        verdict.starts_with("I7:"),
        "lost, and noticed as such: {verdict}"
    );
}
