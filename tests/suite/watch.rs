//! Queries that are watched: the answer now, and again whenever it has changed.

mod counters;
mod ends;
mod permissions;
mod processes;
mod races;
mod sql;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cqrs_core::app::{Answer, Watch};
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use futures_util::FutureExt as _;
use tokio::time::timeout;

use crate::support::stores::on_each_with;
use counters::{Count, IsOdd, Note, Of, Runs, Total, TotalOfBoth};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

async fn count(app: &Dispatcher) -> Receipt {
    let counted = app.execute(Count { counter: 1 }).await;
    counted.expect("it is counted")
}

async fn next<A>(watch: &mut Watch<A>) -> Answer<A> {
    let next = timeout(LONG, watch.next()).await.expect("in time");
    next.expect("it goes on").expect("it answers")
}

async fn error<A: Debug>(watch: &mut Watch<A>) -> QueryError {
    let next = timeout(LONG, watch.next()).await.expect("in time");
    next.expect("it goes on").expect_err("it fails")
}

/// Waits for this answer, which others may precede.
async fn until<A: PartialEq>(watch: &mut Watch<A>, output: A) -> Answer<A> {
    loop {
        let answer = next(watch).await;
        if answer.output == output {
            return answer;
        }
    }
}

/// Runs the test on a dispatcher per store.
async fn on_each_store<F: Future>(test: impl Fn(Dispatcher, Arc<Runs>) -> F) {
    let runs = Arc::new(Runs::default());
    on_each_with(
        counters::module(),
        |builder| builder.provide(runs.clone()),
        |app| test(app, runs.clone()),
    )
    .await;
}

async fn in_memory() -> (Dispatcher, Arc<Runs>) {
    let runs = Arc::new(Runs::default());
    let builder = Dispatcher::builder().module(counters::module());
    let app = builder.provide(runs.clone()).store(Memory::new());
    (app.build().await.expect("builds"), runs)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_comes_at_once_and_again_when_it_has_changed() {
    on_each_store(|app, _| async move {
        let mut totals = app.watch(Total);
        assert_eq!(next(&mut totals).await.output, 0);
        for times in 1..=5 {
            count(&app).await;
            assert_eq!(next(&mut totals).await.output, times);
        }
        // Another one begins with what is there.
        assert_eq!(next(&mut app.watch(Total)).await.output, 5);
    })
    .await;
}

#[tokio::test]
async fn a_query_by_name_is_watched_in_json() {
    let (app, _) = in_memory().await;
    let mut totals = app.watch_json("Of", br#"{"counter": 1}"#);
    assert_eq!(next(&mut totals).await.output, 0);
    count(&app).await;
    assert_eq!(next(&mut totals).await.output, 1);
}

#[tokio::test]
async fn an_answer_that_is_the_same_is_not_repeated() {
    let (app, runs) = in_memory().await;
    let mut odd = app.watch(IsOdd);
    assert!(!next(&mut odd).await.output);
    let before = runs.count.load(Ordering::SeqCst);
    count(&app).await;
    let even = count(&app).await;
    app.wait_until_caught_up(even.last(), LONG)
        .await
        .expect("catches up");
    assert!(odd.next().now_or_never().is_none());
    assert!(runs.count.load(Ordering::SeqCst) > before, "it was asked");
    let receipt = count(&app).await;
    let answer = next(&mut odd).await;
    assert!(answer.output);
    assert_eq!(answer.position, receipt.last());
}

#[tokio::test]
async fn events_of_other_projections_ask_no_query() {
    let (app, runs) = in_memory().await;
    let receipt = count(&app).await;
    let mut totals = app.watch(Total).after(&receipt);
    assert_eq!(next(&mut totals).await.output, 1);
    assert!(totals.next().now_or_never().is_none(), "nothing is new");
    let before = runs.count.load(Ordering::SeqCst);
    for _ in 0..100 {
        let noted = app.execute(Note {}).await.expect("it is noted");
        app.wait_until_caught_up(noted.last(), LONG)
            .await
            .expect("catches up");
        assert!(totals.next().now_or_never().is_none());
    }
    assert_eq!(runs.count.load(Ordering::SeqCst), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_the_newest_answer() {
    on_each_store(|app, runs| async move {
        let mut totals = app.watch(Total);
        assert_eq!(next(&mut totals).await.output, 0);
        let mut receipt = count(&app).await;
        for _ in 0..50 {
            receipt = count(&app).await;
        }
        app.wait_until_caught_up(receipt.last(), LONG)
            .await
            .expect("catches up");
        let before = runs.count.load(Ordering::SeqCst);
        let answer = next(&mut totals).await;
        assert_eq!(answer.output, 51);
        assert!(answer.position >= receipt.last());
        assert_eq!(runs.count.load(Ordering::SeqCst), before + 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_two_projections_follows_both() {
    on_each_store(|app, _| async move {
        let mut totals = app.watch(TotalOfBoth);
        assert_eq!(next(&mut totals).await.output, [0, 0]);
        for times in 1..=10 {
            count(&app).await;
            until(&mut totals, [times, times]).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_resumes_after_a_position() {
    on_each_store(|app, _| async move {
        let subscriptions = app.subscriptions();
        subscriptions.pause("sums", "a test").await.expect("pauses");
        let receipt = count(&app).await;
        let mut totals = app.watch(Total).after_position(receipt.last());
        let error = error(&mut totals).await;
        let QueryErrorKind::NotCaughtUp(behind) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(behind.wanted, receipt.last());
        // One that waits for nothing gets what is there.
        assert_eq!(next(&mut app.watch(Total)).await.output, 0);
        subscriptions.resume("sums").await.expect("goes on");
        let answer = loop {
            match totals.next().await.expect("it goes on") {
                Ok(answer) => break answer,
                Err(error) => assert!(matches!(error.kind(), QueryErrorKind::NotCaughtUp(_))),
            }
        };
        assert_eq!(answer.output, 1);
        assert!(answer.position >= receipt.last());
    })
    .await;
}

/// A future that is dropped while the handler runs has taken nothing with it.
#[tokio::test]
async fn a_wait_for_the_next_answer_can_be_dropped_at_any_time() {
    let (app, runs) = in_memory().await;
    let mut totals = app.watch(Total);
    assert_eq!(next(&mut totals).await.output, 0);
    let receipt = count(&app).await;
    app.wait_until_caught_up(receipt.last(), LONG)
        .await
        .expect("catches up");
    runs.wait.store(true, Ordering::SeqCst);
    let before = runs.count.load(Ordering::SeqCst);
    for runs_begun in 1..=3 {
        assert!(totals.next().now_or_never().is_none(), "the handler waits");
        let begun = runs.count.load(Ordering::SeqCst) - before;
        assert_eq!(begun, runs_begun);
    }
    runs.wait.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut totals).await.output, 1);
}

#[tokio::test]
async fn a_failure_is_returned_and_so_is_the_next_answer() {
    let (app, runs) = in_memory().await;
    let mut totals = app.watch(Total);
    assert_eq!(next(&mut totals).await.output, 0);
    runs.fail.store(true, Ordering::SeqCst);
    count(&app).await;
    for _ in 0..3 {
        let error = error(&mut totals).await;
        assert_eq!(error.to_string(), "`total` failed: not today");
    }
    runs.fail.store(false, Ordering::SeqCst);
    let answer = next(&mut totals).await;
    assert_eq!(answer.output, 1);
    // Even if it is the same as before.
    runs.fail.store(true, Ordering::SeqCst);
    count(&app).await;
    error(&mut totals).await;
    runs.fail.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut totals).await.output, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_watches_what_it_has_written() {
    on_each_store(|app, _| async move {
        let session = app.session();
        for times in 1..=20 {
            let counted = session.execute(Count { counter: 1 }).await;
            let receipt = counted.expect("it is counted");
            let answer = next(&mut session.watch(Total)).await;
            assert_eq!(answer.output, times);
            assert!(answer.position >= receipt.last());
            let answer = next(&mut session.watch_json("Of", br#"{"counter": 1}"#)).await;
            assert_eq!(answer.output, times);
        }
    })
    .await;
}

#[tokio::test]
async fn mistakes_end_a_watch() {
    let (app, _) = in_memory().await;

    let mut runs = app.watch(counters::NumberOfRuns);
    let text = error(&mut runs).await.to_string();
    let wanted = "`NumberOfRuns` cannot be watched: its handler `number_of_runs` reads no read model, so \
                  nothing tells when the answer changes. Let it take `Read<..>`, `ReadTx<..>` or \
                  `Reader<..>`, or ask it again with `query`";
    assert_eq!(text, wanted);
    assert!(runs.next().await.is_none());

    let mut invalid = app.watch(Of { counter: 100 });
    let text = error(&mut invalid).await.to_string();
    assert_eq!(text, "invalid query: counters are below 100");
    assert!(invalid.next().await.is_none());

    for (name, json) in [("Ofe", "{}"), ("Of", "{}"), ("Of", r#"{"counter": 100}"#)] {
        let mut watch = app.watch_json(name, json.as_bytes());
        let error = error(&mut watch).await;
        let is_known = matches!(
            error.kind(),
            QueryErrorKind::Unknown(_) | QueryErrorKind::Invalid(_)
        );
        assert!(is_known, "{error}");
        assert!(watch.next().await.is_none());
    }
}
