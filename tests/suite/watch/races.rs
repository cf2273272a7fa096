//! Watches that begin while others write: nothing is missed between an answer and the next one.

use std::slice::from_ref;
use std::sync::atomic::Ordering;

use cqrs_core::prelude::*;
use tokio::task::{JoinSet, yield_now};

use super::counters::Total;
use super::{count, in_memory, next, on_each_store};

/// Reads answers until `last`, and checks each: it has everything up to its position, and is newer than
/// the one before. In a log with counts only, the position is their number.
async fn follow(app: Dispatcher, last: u64) {
    for _ in 0..fastrand::u32(..50) {
        yield_now().await;
    }
    let mut totals = app.watch(Total);
    let mut known = None;
    loop {
        let answer = next(&mut totals).await;
        assert!(answer.output >= answer.position.get(), "{answer:?}");
        if let Some((output, position)) = known {
            assert!(answer.output > output, "{answer:?} after {known:?}");
            assert!(answer.position >= position, "{answer:?} after {known:?}");
        }
        if answer.output == last {
            return;
        }
        known = Some((answer.output, answer.position));
        if fastrand::bool() {
            yield_now().await;
        }
    }
}

/// Writers in the first process, and watches in each, until all have the last answer.
pub(super) async fn round(apps: &[Dispatcher], done: u64) -> u64 {
    const WRITERS: u64 = 4;
    const COMMANDS: u64 = 5;
    let last = done + WRITERS * COMMANDS;
    let mut tasks = JoinSet::new();
    for app in apps {
        for _ in 0..4 {
            tasks.spawn(follow(app.clone(), last));
        }
    }
    for _ in 0..WRITERS {
        let app = apps[0].clone();
        tasks.spawn(async move {
            for _ in 0..COMMANDS {
                count(&app).await;
                if fastrand::bool() {
                    yield_now().await;
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("nothing is missed");
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_between_two_answers() {
    let (app, runs) = in_memory().await;
    runs.dawdle.store(true, Ordering::SeqCst);
    let mut done = 0;
    for _ in 0..500 {
        done = round(from_ref(&app), done).await;
    }
}

/// The tasks take turns in one thread, in another order each time.
#[tokio::test]
async fn nothing_is_missed_between_two_answers_in_one_thread() {
    let (app, runs) = in_memory().await;
    runs.dawdle.store(true, Ordering::SeqCst);
    let mut done = 0;
    for _ in 0..200 {
        done = round(from_ref(&app), done).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_on_any_store() {
    on_each_store(|app, runs| async move {
        runs.dawdle.store(true, Ordering::SeqCst);
        let mut done = 0;
        for _ in 0..15 {
            done = round(from_ref(&app), done).await;
        }
    })
    .await;
}
