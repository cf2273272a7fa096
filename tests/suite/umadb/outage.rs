use std::sync::Arc;
use std::time::Duration;

use cqrs_conformance::LogFixture;
use cqrs_core::Position;
use cqrs_core::store::{
    AppendError, EventLog, EventLogExt, EventQuery, ReadRange, StoreError, Tag,
};
use cqrs_umadb::UmaDb;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

use super::{events, noted};
use crate::support::umadb::Log;

/// So that each failure is one soon.
fn impatient() -> cqrs_umadb::Options {
    UmaDb::options()
        .retry_timeout(Duration::from_millis(300))
        .answer_timeout(Duration::from_millis(100))
}

#[tokio::test]
async fn without_a_server_nothing_is_done_and_with_it_all_goes_on() {
    let Some(fixture) = Log::fresh("without_a_server_nothing_is_done", impatient()) else {
        return;
    };
    let log = fixture.open_log().await;
    log.append(noted("book:A")).await.expect("appends");
    fixture.server.kill();

    // The connection is known to be lost once a call has failed, whatever became of that call.
    let first = noted("book:B");
    let outcome = log.append(first.clone()).await;
    let lost = matches!(
        outcome,
        Err(AppendError::Store(StoreError::Unavailable { .. }) | AppendError::Indeterminate { .. })
    );
    assert!(lost, "{outcome:?}");
    let second = noted("book:C");
    let outcome = log.append(second.clone()).await;
    assert!(
        matches!(
            outcome,
            Err(AppendError::Store(StoreError::Unavailable { .. }))
        ),
        "{outcome:?}"
    );
    let outcome = log.command(second.command).await;
    assert!(
        matches!(outcome, Err(StoreError::Unavailable { .. })),
        "{outcome:?}"
    );

    fixture.server.restart();
    for append in [first, second] {
        let appended = log.append(append).await.expect("the server is there");
        assert!(!appended.replayed);
    }
    assert_eq!(events(&log).await.len(), 3);
}

#[tokio::test]
async fn an_append_without_an_answer_is_in_doubt_until_it_is_sent_again() {
    let Some(fixture) = Log::fresh("an_append_without_an_answer_is_in_doubt", impatient()) else {
        return;
    };
    let log = fixture.open_log().await;
    log.append(noted("book:A")).await.expect("appends");
    fixture.server.stand_still();
    let append = noted("book:B");
    let outcome = log.append(append.clone()).await;
    assert!(
        matches!(outcome, Err(AppendError::Indeterminate { .. })),
        "{outcome:?}"
    );
    let outcome = log.append(noted("book:C")).await;
    assert!(
        matches!(
            outcome,
            Err(AppendError::Store(StoreError::Unavailable { .. }))
        ),
        "{outcome:?}"
    );
    fixture.server.go_on();

    log.append(append).await.expect("the server answers");
    let stored = events(&log).await;
    let of_b = stored
        .iter()
        .filter(|event| event.data.tags.contains(&Tag::from("book:B")));
    assert_eq!(of_b.count(), 1);
}

#[tokio::test]
async fn a_full_queue_refuses_without_sending() {
    let options = impatient().queue(1).answer_timeout(Duration::from_secs(10));
    let Some(fixture) = Log::fresh("a_full_queue_refuses_without_sending", options) else {
        return;
    };
    let log = fixture.open_log().await;
    fixture.server.stand_still();
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { log.append(noted("book:A")).await }
    });
    while log
        .capabilities()
        .admission
        .is_some_and(|it| it.admit().is_ok())
    {
        tokio::task::yield_now().await;
    }
    let refused = log.append(noted("book:B")).await;
    assert!(
        matches!(refused, Err(AppendError::Overloaded { waiting: 1 })),
        "{refused:?}"
    );
    fixture.server.go_on();
    waiting
        .await
        .expect("no panic")
        .expect("the server answers");
    log.append(noted("book:B"))
        .await
        .expect("there is room again");
}

/// Writers go on while the server is killed again and again: each command is done once, and none
/// that was answered is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_server_keeps_what_it_acknowledged_and_does_nothing_twice() {
    const WRITERS: usize = 16;
    const COMMANDS: usize = 40;
    let options = UmaDb::options().retry_timeout(Duration::from_secs(60));
    let Some(fixture) = Log::fresh("a_killed_server_keeps_what_it_acknowledged", options) else {
        return;
    };
    let (first, second) = (fixture.open_log().await, fixture.open_log().await);
    let start = Arc::new(Barrier::new(WRITERS + 1));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let log = [&first, &second][writer % 2].clone();
            let start = start.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                start.wait().await;
                for _ in 0..COMMANDS {
                    let append = noted("book:B");
                    let command = append.command;
                    let appended = log.append(append).await.expect("it is repeated");
                    answers.push((command, appended.last));
                }
                answers
            })
        })
        .collect();
    start.wait().await;
    let mut kills = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) && kills < 8 {
        fixture.server.kill();
        fixture.server.restart();
        kills += 1;
        // Lets the writers append something in between.
        let heads = first.heads();
        let moved = heads.reached(heads.position().plus(4));
        let _ = tokio::time::timeout(Duration::from_secs(1), moved).await;
    }
    assert!(kills > 0);
    let mut answers = Vec::new();
    for writer in writers {
        answers.extend(writer.await.expect("a writer does not panic"));
    }
    let stored = events(&first).await;
    assert_eq!(
        stored.len(),
        WRITERS * COMMANDS,
        "each command is done once"
    );
    for (command, position) in answers {
        let event = stored
            .iter()
            .find(|event| event.position == position)
            .expect("what was acknowledged is there");
        assert_eq!(event.meta.command, command);
    }
}

/// A page that is read ahead waits until its reader asks for it. It takes nothing from other calls.
#[tokio::test]
async fn readers_that_are_slow_hold_up_nobody() {
    let options = UmaDb::options().answer_timeout(Duration::from_secs(2));
    let Some(fixture) = Log::fresh("readers_that_are_slow_hold_up_nobody", options) else {
        return;
    };
    let log = fixture.open_log().await;
    for _ in 0..40 {
        let mut append = noted("book:B");
        append.events[0].payload = vec![b'1'; 1 << 20];
        log.append(append).await.expect("appends");
    }
    let all = || log.events(EventQuery::All, ReadRange::after(Position::START));
    let mut readers: Vec<_> = (0..16).map(|_| all()).collect();
    for reader in &mut readers {
        let first = reader.next().await.expect("is read");
        assert_eq!(first.map(|event| event.position), Some(Position::new(1)));
    }
    log.append(noted("book:C")).await.expect("appends");
    let mut reader = all();
    let mut count = 0;
    while reader.next().await.expect("is read").is_some() {
        count += 1;
    }
    assert_eq!(count, 41);
}

/// Its connection ended with the runtime that it was opened on.
#[test]
fn a_log_goes_on_in_another_runtime() {
    let runtime = || Runtime::new().expect("a runtime starts");
    let (first, second) = (runtime(), runtime());
    let opened = first.block_on(async {
        let fixture = Log::fresh("a_log_goes_on_in_another_runtime", UmaDb::options())?;
        let log = fixture.open_log().await;
        log.append(noted("book:A")).await.expect("appends");
        Some((fixture, log))
    });
    let Some((_fixture, log)) = opened else {
        return;
    };
    drop(first);
    second.block_on(async {
        log.append(noted("book:B")).await.expect("appends");
        assert_eq!(events(&log).await.len(), 2);
    });
}
