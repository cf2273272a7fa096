//! A process is killed after it has scheduled a command.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use cqrs_conformance::StoreFixture;
use cqrs_core::app::{Builder, ScheduleState};
use cqrs_core::prelude::*;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use super::{count, idle, scheduled};
use crate::processes::recorded;
use crate::support::postgres::Schema;

/// The messages of the program `schedule-process`.
#[path = "../../schedule_domain.rs"]
mod domain;

/// A process of the program `schedule-process`, which lives until it is killed.
struct Scheduling(Child);

impl Scheduling {
    /// Starts it on a store. Returns it with the ids of the commands that it has scheduled.
    fn start(store: &[&str]) -> (Self, Vec<ScheduleId>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_schedule-process"));
        let mut child = command
            .args(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut output = BufReader::new(child.stdout.take().expect("is a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("is read");
        let ids = line.split_whitespace();
        let ids = ids.map(|id| id.parse().expect("an id")).collect();
        (Self(child), ids)
    }
}

/// A test that fails leaves no process behind.
impl Drop for Scheduling {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Of the three commands, one is due before the process is killed, and one long after that.
async fn what_is_due_is_sent_by_another(store: &[&str], builder: Builder) {
    let (killed, ids) = Scheduling::start(store);
    drop(killed);
    let app = builder.module(domain::module()).schedules().build().await;
    let app = app.expect("builds");
    recorded(&app, "rung", 2).await;
    idle(&app).await;
    assert_eq!(count(&app, "rung").await, 2);
    let mut states = Vec::new();
    for id in ids {
        states.push(scheduled(&app, id).await.state);
    }
    let expected = [
        ScheduleState::Done,
        ScheduleState::Done,
        ScheduleState::Waiting,
    ];
    assert_eq!(states, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_outlives_the_process_that_has_scheduled_it_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = Sqlite::open(&path).await.expect("SQLite opens");
    let builder = Dispatcher::builder().store(sqlite);
    what_is_due_is_sent_by_another(&[path.to_str().expect("is text")], builder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_outlives_the_process_that_has_scheduled_it_on_postgres() {
    const TEST: &str = "a_command_outlives_the_process_that_has_scheduled_it_on_postgres";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let builder = Dispatcher::builder().store(schema.open().await);
    what_is_due_is_sent_by_another(&[schema.url(), schema.name()], builder).await;
}
