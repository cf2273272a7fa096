//! Several processes, and cancellations at the moment at which a command is due.

use std::time::{Duration, Instant};

use cqrs_core::app::ScheduleState;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_sqlite::Sqlite;
use tokio::task::JoinSet;

use super::notes::{self, Remind};
use super::{WORKER, count, idle, scheduled};
use crate::processes::recorded;
use crate::support::stores::on_each_twice;

const CANCELED: &str = "process:scheduled-commands:canceled";
const DUE: &str = "process:scheduled-commands:due";

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_send_each_command_once() {
    on_each_twice(notes::module(), async |builders| {
        let [first, second] = builders.map(|builder| builder.schedules().build());
        let first = first.await.expect("builds");
        let second = second.await.expect("builds");
        let divided = first.subscriptions().divide(WORKER, 8).await;
        divided.expect("divides");
        for note in 1..=100 {
            let app = if note % 3 == 0 { &first } else { &second };
            let wait = Duration::from_millis(u64::from(note % 7));
            app.schedule(Remind::of(note))
                .after(wait)
                .await
                .expect("is scheduled");
        }
        recorded(&first, "reminded", 100).await;
        idle(&first).await;
        idle(&second).await;
        assert_eq!(count(&second, "reminded").await, 100);
        assert_eq!(count(&second, DUE).await, 100);
    })
    .await;
}

/// What `cancel` says is what the log says, and what the command has done.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_or_the_due_time_comes_first() {
    const ROUNDS: u32 = 240;
    const GROUP: u32 = 20;
    on_each_twice(notes::module(), async |builders| {
        let [first, second] = builders.map(|builder| builder.schedules().build());
        let first = first.await.expect("builds");
        let second = second.await.expect("builds");
        let mut rounds = Vec::new();
        for group in 0..ROUNDS / GROUP {
            let notes = group * GROUP + 1..=(group + 1) * GROUP;
            let raced = notes.map(|note| race(note, first.clone(), second.clone()));
            rounds.extend(raced.collect::<JoinSet<_>>().join_all().await);
        }
        idle(&first).await;
        idle(&second).await;
        let events = first.events(EventQuery::All).all().await.expect("reads");
        let has = |name: &str, id: &str| {
            let mut tagged = events
                .iter()
                .filter(|it| it.data.tags.iter().any(|tag| tag.id() == id));
            tagged.any(|event| event.data.event_type.as_str() == name)
        };
        let mut in_time = 0;
        for (note, id, is_canceled) in rounds {
            let text = id.to_string();
            assert_eq!(has(CANCELED, &text), is_canceled, "{note}");
            assert_eq!(has(DUE, &text), !is_canceled, "{note}");
            assert_eq!(has("reminded", &note.to_string()), !is_canceled, "{note}");
            let state = scheduled(&second, id).await.state;
            let expected = if is_canceled {
                ScheduleState::Canceled
            } else {
                ScheduleState::Done
            };
            assert_eq!(state, expected, "{note}");
            in_time += u32::from(is_canceled);
        }
        println!("{in_time} of {ROUNDS} were canceled in time");
        assert!(
            (1..ROUNDS).contains(&in_time),
            "{in_time}: there was no race"
        );
    })
    .await;
}

/// Schedules a command, and has the other process cancel it: long before it is due, long after that, or at about
/// that time. Returns whether it was in time.
async fn race(note: u32, app: Dispatcher, other: Dispatcher) -> (u32, ScheduleId, bool) {
    const WAIT: u64 = 30;
    const CANCELED_AFTER: [u64; 10] = [0, 22, 25, 28, 30, 32, 35, 40, 50, 200];
    let id = app
        .schedule(Remind::of(note))
        .after(Duration::from_millis(WAIT));
    let id = id.await.expect("is scheduled");
    // The distance in time is what is tested.
    let after = CANCELED_AFTER[note as usize % CANCELED_AFTER.len()];
    tokio::time::sleep(Duration::from_millis(after)).await;
    (note, id, other.cancel(id).await.expect("answers"))
}

/// In batches, as the deadlines of process managers.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_that_are_due_at_once_are_sent_once_each() {
    const NOTES: u32 = 5_000;
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = Sqlite::open(path).await.expect("SQLite opens");
    let app = Dispatcher::builder().module(notes::module()).store(sqlite);
    let app = app.schedules().build().await.expect("builds");
    let paused = app.subscriptions().pause(WORKER, "not yet").await;
    paused.expect("pauses");
    let mut calls = JoinSet::new();
    // Those whose number is a multiple of 1,000 are rejected.
    for note in 1..=NOTES {
        let app = app.clone();
        calls.spawn(async move {
            let call = app.schedule(Remind::of(note)).at(Timestamp::UNIX_EPOCH);
            call.await.expect("is scheduled")
        });
    }
    let ids = calls.join_all().await;
    let began = Instant::now();
    app.subscriptions().resume(WORKER).await.expect("resumes");
    recorded(&app, DUE, NOTES as usize).await;
    println!("all are due after {:?}", began.elapsed());
    idle(&app).await;
    println!("all are done after {:?}", began.elapsed());
    assert_eq!(count(&app, DUE).await, NOTES as usize);
    assert_eq!(count(&app, "reminded").await, NOTES as usize - 5);
    let rejected = "process:scheduled-commands:rejected";
    assert_eq!(count(&app, rejected).await, 5);
    let state = scheduled(&app, ids[4_000]).await.state;
    assert!(!matches!(
        state,
        ScheduleState::Waiting | ScheduleState::Due
    ));
}
