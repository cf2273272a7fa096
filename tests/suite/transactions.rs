//! SQL of handlers in the transaction of their events, or of their projection's checkpoint. Both stores
//! have the same messages and SQL of their own.

mod deallocated;
mod frozen;
mod messages;
mod on_postgres;
mod on_sqlite;
#[cfg(unix)]
mod replaced;
mod stopped;
mod trips;
mod turns;

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use cqrs_core::app::SubscriptionState;
use cqrs_core::error::Failure;
use cqrs_core::store::EventLogExt;
use cqrs_core::{CommandError, Dispatcher, Module};

use crate::support::stock::{self, Setting, pieces, queries, receive, scenes, with_modules};
use messages::{How, SoldPieces, StockError, Take, Totals, WriteInAQuery};

async fn settings(test: &str) -> Vec<Setting> {
    let sqlite = [
        messages::module(),
        on_sqlite::handlers::module(),
        on_sqlite::sales::module(),
    ];
    let postgres = [
        messages::module(),
        on_postgres::handlers::module(),
        on_postgres::sales::module(),
    ];
    stock::settings(test, &sqlite, &postgres).await
}

fn take(article: u32, pieces: i64) -> Take {
    let how = How::Well;
    Take {
        article,
        pieces,
        how,
    }
}

#[tokio::test]
async fn what_a_handler_writes_commits_with_the_events() {
    for it in settings("what_a_handler_writes").await {
        let app = it.app().await;
        app.execute(receive(1, 10)).await.expect("receives");
        let receipt = app.execute(take(1, 3)).await.expect("takes");
        assert_eq!((pieces(&app, 1).await, receipt.last().get()), (7, 2));
        // The table decides: event sourcing is not needed for it.
        let refused = app.execute(take(1, 8)).await.expect_err("too many");
        assert!(matches!(
            refused,
            CommandError::Rejected(StockError::NotEnough { there: 7 })
        ));
        assert_eq!(
            app.log().head().await.expect("a head").get(),
            2,
            "{}",
            it.name
        );
    }
}

#[tokio::test]
async fn what_a_handler_wrote_is_undone_when_it_does_not_succeed() {
    for it in settings("what_a_handler_wrote_is_undone").await {
        let app = it
            .builder()
            .max_transaction(Duration::from_millis(200))
            .build()
            .await
            .expect("builds");
        app.execute(receive(1, 10)).await.expect("receives");
        for how in [
            How::Rejects,
            How::Fails,
            How::Panics,
            How::NeverEnds,
            How::Commits,
        ] {
            let command = Take { how, ..take(1, 3) };
            let error = app.execute(command).await.expect_err("it does not succeed");
            let text = error.to_string();
            match how {
                How::Rejects => assert!(error.rejected().is_some()),
                How::Panics => assert!(text.contains("panicked"), "{text}"),
                How::NeverEnds => assert!(text.contains("open for longer than 200ms"), "{text}"),
                _ => assert!(matches!(error, CommandError::Failed(_)), "{text}"),
            }
            if how != How::Commits {
                assert_eq!(pieces(&app, 1).await, 10, "{} {how:?}", it.name);
            }
            assert_eq!(app.log().head().await.expect("a head").get(), 1);
        }
        app.execute(receive(1, 1)).await.expect("goes on");
    }
}

/// The caller is gone at each of the awaits in turn.
#[tokio::test]
async fn a_cancelled_command_is_done_or_not() {
    for it in settings("a_cancelled_command").await {
        let app = it.app().await;
        for waits in 0..40 {
            let call = app.execute(receive(1, 1)).into_future();
            if let Some(done) = waiting_at_most(waits % 10, call).await {
                done.expect("receives");
            }
        }
        // Whatever is under way ends before this, which waits for the same row.
        let receipt = app.execute(receive(1, 0)).await.expect("receives");
        let events = i64::try_from(receipt.last().get()).expect("few");
        assert_eq!(pieces(&app, 1).await, events - 1, "{}", it.name);
    }
}

/// Drops the future when it has to wait once more.
async fn waiting_at_most<F: Future + Unpin>(mut waits: u32, mut future: F) -> Option<F::Output> {
    poll_fn(|context| match Pin::new(&mut future).poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waits == 0 => Poll::Ready(None),
        Poll::Pending => {
            waits -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_writes_once() {
    scenes::one_id_writes_once(settings("one_id_writes_once").await).await;
}

/// Rows are locked in any order, so deadlocks occur on PostgreSQL. Callers see none of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_handlers_all_succeed() {
    scenes::racing_moves_all_succeed(settings("racing_handlers").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boundary_holds_for_the_rows_too() {
    scenes::a_boundary_holds_for_rows(settings("a_boundary_holds").await).await;
}

#[tokio::test]
async fn a_command_without_events_writes_once() {
    let settings = settings("a_command_without_events").await;
    scenes::a_command_without_events_writes_once(settings).await;
}

#[tokio::test]
async fn a_query_reads_and_cannot_write() {
    for it in settings("a_query_reads").await {
        let app = it.app().await;
        app.execute(receive(1, 10)).await.expect("receives");
        let said = app.query(WriteInAQuery).await.expect("an answer");
        let refused = |text: &&String| text.contains("read-only") || text.contains("readonly");
        assert!(said.iter().any(|it| refused(&it)), "{said:?}");
        assert_eq!(pieces(&app, 1).await, 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_of_tables_is_kept_exactly_once() {
    for it in settings("a_read_model_of_tables").await {
        let app = it.app().await;
        app.execute(receive(1, 1000)).await.expect("receives");
        let mut expected = 0;
        // Its workers come and go, and others are at work beside them.
        let beside = it.app().await;
        for round in 0..12 {
            let worker = it.app().await;
            for pieces in 1..4 {
                worker.execute(take(1, pieces)).await.expect("takes");
                expected += pieces;
            }
            if round % 2 == 0 {
                drop(worker);
            }
        }
        let receipt = app.execute(take(1, 1)).await.expect("takes");
        let totals = app.query(Totals).after(&receipt).await.expect("an answer");
        let sold = SoldPieces {
            takings: 37,
            pieces: expected + 1,
        };
        assert_eq!(totals, sold, "{}", it.name);
        drop(beside);
    }
}

#[tokio::test]
async fn an_event_that_fails_undoes_no_other() {
    for it in settings("an_event_that_fails").await {
        let app = it.app().await;
        app.execute(receive(1, 100)).await.expect("receives");
        for pieces in [1, 2, messages::UNLUCKY, 3] {
            app.execute(take(1, pieces)).await.expect("takes");
        }
        let failing = async {
            loop {
                let health = app.health();
                let sales = health.subscriptions.iter().find(|it| it.name == "sales");
                let sales = sales.expect("a projection");
                if let SubscriptionState::Failing { error, .. } = &sales.state {
                    break (sales.position.get(), error.clone());
                }
                // Nothing tells of a worker's failure but its health.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let (position, error) = tokio::time::timeout(Duration::from_secs(30), failing)
            .await
            .expect("it fails");
        assert!(error.contains("position 4 (`taken`)"), "{error}");
        assert_eq!(position, 3, "{}", it.name);
        let totals = app.query(Totals).await.expect("an answer");
        let sold = SoldPieces {
            takings: 2,
            pieces: 3,
        };
        assert_eq!(totals, sold, "{}", it.name);
    }
}

/// The projection is the last module.
fn replace_projection(setting: &mut Setting, projection: Module) {
    setting.modules.pop();
    setting.modules.push(projection);
}

#[tokio::test]
async fn a_projection_that_cannot_be_set_up_stops_the_build() {
    let settings = settings("a_projection_that_cannot").await;
    for (mut it, broken) in settings
        .into_iter()
        .zip([on_sqlite::broken::module(), on_postgres::broken::module()])
    {
        replace_projection(&mut it, broken);
        let built = it.builder().build().await;
        let error = built.err().expect("it does not build");
        let text = "`#[setup]` of the projection `broken` failed";
        assert_eq!(error.to_string(), text);
        let cause = error.source().expect("the error of the method");
        let report = format!("{text}\n  caused by: {cause}");
        assert!(format!("{error:?}").starts_with(&report), "{error:?}");
    }
}

/// A version of its own has a checkpoint of its own, so it is set up and folds from the first event.
#[tokio::test]
async fn a_raised_version_is_set_up_and_folded_anew() {
    let mut settings = settings("a_raised_version").await;
    let Some(mut it) = settings.pop().filter(|it| it.name == "PostgreSQL") else {
        return;
    };
    let app = it.app().await;
    app.execute(receive(1, 100)).await.expect("receives");
    let receipt = app.execute(take(1, 3)).await.expect("takes");
    let first = app.query(Totals).after(&receipt).await.expect("an answer");
    assert_eq!((first.takings, first.pieces), (1, 3));
    drop(app);
    replace_projection(&mut it, on_postgres::sales_again::module());
    let app = it.app().await;
    let receipt = app.execute(take(1, 4)).await.expect("takes");
    let again = app.query(Totals).after(&receipt).await.expect("an answer");
    assert_eq!((again.takings, again.pieces), (2, 14));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_lose_and_repeat_nothing() {
    const TEST: &str = "lost_connections_lose_and_repeat_nothing";
    let Some(schema) = stock::schema(TEST).await else {
        return;
    };
    let options = schema.options().application_name(schema.name());
    let store = options.connect(schema.url()).await.expect("connects");
    let app = with_modules(&[
        queries::on_postgres::module(),
        messages::module(),
        on_postgres::handlers::module(),
        on_postgres::sales::module(),
    ])
    .store(store)
    .build()
    .await
    .expect("builds");
    scenes::lost_connections_repeat_nothing(&schema, &app, 40, 1..15).await;
}

#[tokio::test]
async fn handlers_of_another_store_are_reported() {
    let built = with_modules(&[
        messages::module(),
        on_postgres::handlers::module(),
        on_postgres::sales::module(),
    ])
    .store(cqrs_core::Memory::new())
    .build();
    let report = built.await.err().expect("it does not build").to_string();
    for what in [
        "command handlers take transactions of `Postgres`, which does not keep the dispatcher's log",
        "projections take transactions of `Postgres`, which does not keep their checkpoints",
        "query handlers read from a `Postgres`, which is not a store of the dispatcher",
        "suite/transactions/on_postgres.rs:",
    ] {
        assert!(report.contains(what), "{report}");
    }
}

#[tokio::test]
async fn inputs_that_exclude_each_other_are_reported() {
    let built = Dispatcher::builder()
        .module(messages::module())
        .module(on_sqlite::wrong::module())
        .store(cqrs_core::Memory::new())
        .build();
    let report = built.await.err().expect("it does not build").to_string();
    for what in [
        "a handler takes `&mut Tx<..>` twice, but has one transaction",
        "an `#[on]` method takes both `&mut Views<..>` and `&mut Tx<..>`",
    ] {
        assert!(report.contains(what), "{report}");
    }
}

/// PostgreSQL takes nothing more after a statement that failed; a handler that continues as if
/// nothing had happened is told.
#[tokio::test]
async fn a_failed_statement_is_not_forgotten() {
    for it in settings("a_failed_statement").await {
        let app = it.app().await;
        app.execute(receive(1, 10)).await.expect("receives");
        let command = Take {
            how: How::Swallows,
            ..take(1, 3)
        };
        let outcome = app.execute(command).await;
        if it.name == "SQLite" {
            // There it is the statement alone that had no effect.
            outcome.expect("takes");
            continue;
        }
        let error = outcome.expect_err("the transaction is lost");
        let text = error.to_string();
        assert!(text.contains("a statement in it had failed"), "{text}");
        assert!(matches!(error, CommandError::Failed(Failure::Append(_))));
        assert_eq!(pieces(&app, 1).await, 10);
    }
}
