//! SQL of handlers in the same transaction as their events, or as their projection's checkpoint.
//! The same messages on two stores; what differs is the SQL. Longer than 500 lines, since it is one
//! list of what such a transaction promises.

mod messages;
mod on_postgres;
mod on_sqlite;
#[cfg(unix)]
mod replaced;
mod stopped;
mod trips;
mod turns;

use std::any::Any;
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::app::{Builder, SubscriptionState};
use cqrs_core::error::Failure;
use cqrs_core::store::{EventLogExt, Store};
use cqrs_core::{CommandError, CommandId, Dispatcher, Module};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use crate::support::postgres::Schema;
use crate::support::race;
use messages::{
    Counted, How, Label, Labels, Pieces, Receive, SoldPieces, StockError, Take, Totals,
    WriteInAQuery,
};

/// A store, with the handlers that speak its SQL.
struct Setting {
    name: &'static str,
    store: Arc<dyn Store>,
    handlers: Module,
    projection: Module,
    /// Removes what the store is on.
    _place: Box<dyn Any>,
}

impl Setting {
    fn builder(&self) -> Builder {
        Dispatcher::builder()
            .module(messages::module())
            .module(self.handlers)
            .module(self.projection)
            .store(self.store.clone())
            .attempts(1000)
    }

    async fn app(&self) -> Dispatcher {
        self.builder().build().await.expect("builds")
    }
}

async fn settings(test: &str) -> Vec<Setting> {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let sqlite = Sqlite::open(directory.path().join("log.db")).await;
    let sqlite = sqlite.expect("SQLite opens");
    on_sqlite::tables(&directory.path().join("log.db"));
    let mut settings = vec![Setting {
        name: "SQLite",
        store: Arc::new(sqlite),
        handlers: on_sqlite::handlers::module(),
        projection: on_sqlite::sales::module(),
        _place: Box::new(directory),
    }];
    if let Some(schema) = Schema::fresh(test, Postgres::options()) {
        let schema = schema.searched();
        let store = schema.open().await;
        on_postgres::tables(&schema.client().await, schema.name()).await;
        settings.push(Setting {
            name: "PostgreSQL",
            store: Arc::new(store),
            handlers: on_postgres::handlers::module(),
            projection: on_postgres::sales::module(),
            _place: Box::new(schema),
        });
    }
    settings
}

fn receive(article: u32, pieces: i64) -> Receive {
    Receive { article, pieces }
}

fn take(article: u32, pieces: i64) -> Take {
    let how = How::Well;
    Take {
        article,
        pieces,
        how,
    }
}

async fn pieces(app: &Dispatcher, article: u32) -> i64 {
    app.query(Pieces { article }).await.expect("an answer")
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
    for it in settings("one_id_writes_once").await {
        let app = it.app().await;
        let id = CommandId::new();
        let receipts = race(16, |_| {
            let app = app.clone();
            async move { app.execute(receive(1, 5)).id(id).await.expect("receives") }
        });
        let receipts = receipts.await;
        assert!(
            receipts.iter().all(|it| it.last().get() == 1),
            "{}",
            it.name
        );
        assert_eq!(pieces(&app, 1).await, 5, "{}", it.name);
        let other = app.execute(receive(1, 6)).id(id).await;
        assert!(matches!(other, Err(CommandError::Invalid(_))));
        assert_eq!(pieces(&app, 1).await, 5);
    }
}

/// Rows are locked in any order, so that on PostgreSQL there are deadlocks: none is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_handlers_all_succeed() {
    for it in settings("racing_handlers").await {
        // A server that was given to the tests may take a second to see a deadlock.
        let patient = it.builder().max_transaction(Duration::from_secs(60));
        let app = patient.build().await.expect("builds");
        for article in 0..3 {
            app.execute(receive(article, 100)).await.expect("receives");
        }
        race(16, |number| {
            let app = app.clone();
            let number = u32::try_from(number).expect("few");
            async move {
                let (from, to) = (number % 3, (number + 1 + number / 3 % 2) % 3);
                let moved = app.execute(messages::Move { from, to }).await;
                moved.expect("moves");
            }
        })
        .await;
        let mut all = 0;
        for article in 0..3 {
            let events = app.state::<Counted>(&article).await.expect("a state");
            assert_eq!(events.pieces, pieces(&app, article).await, "{}", it.name);
            all += events.pieces;
        }
        assert_eq!(all, 300);
    }
}

/// A decision on an aggregate, with rows that go with it: the boundary holds for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boundary_holds_for_the_rows_too() {
    for it in settings("a_boundary_holds").await {
        let (here, there) = (it.app().await, it.app().await);
        race(24, |number| {
            let app = [&here, &there][number % 2].clone();
            async move { app.execute(Label { article: 7 }).await.expect("labels") }
        })
        .await;
        let labels = here.query(Labels { article: 7 }).await.expect("an answer");
        assert_eq!(labels, (1..=24).collect::<Vec<i64>>(), "{}", it.name);
    }
}

/// State in tables alone: the command is still recorded, and is not repeated.
#[tokio::test]
async fn a_command_without_events_writes_once() {
    for it in settings("a_command_without_events").await {
        let app = it.app().await;
        let (id, pieces_there) = (CommandId::new(), 3);
        for _ in 0..2 {
            let command = messages::Count {
                article: 1,
                pieces: pieces_there,
            };
            app.execute(command).id(id).await.expect("counts");
        }
        assert_eq!(pieces(&app, 1).await, pieces_there, "{}", it.name);
    }
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

#[tokio::test]
async fn a_projection_that_cannot_be_set_up_stops_the_build() {
    let settings = settings("a_projection_that_cannot").await;
    for (it, broken) in settings
        .iter()
        .zip([on_sqlite::broken::module(), on_postgres::broken::module()])
    {
        let builder = Dispatcher::builder().module(messages::module());
        let builder = builder.module(it.handlers).module(broken);
        let built = builder.store(it.store.clone()).build().await;
        let error = built.err().expect("it does not build").to_string();
        let expected = "`#[setup]` of the projection `broken` failed: ";
        assert!(error.starts_with(expected), "{error}");
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
    it.projection = on_postgres::sales_again::module();
    let app = it.app().await;
    let receipt = app.execute(take(1, 4)).await.expect("takes");
    let again = app.query(Totals).after(&receipt).await.expect("an answer");
    assert_eq!((again.takings, again.pieces), (2, 14));
}

/// Connections are ended in the middle of everything, also between a commit and its answer: under
/// their ids, sent until they are answered, commands are carried out once, rows and events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_lose_and_repeat_nothing() {
    const TEST: &str = "lost_connections_lose_and_repeat_nothing";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let schema = schema.searched();
    let options = schema.options().application_name(schema.name());
    let store = options.connect(schema.url()).await.expect("connects");
    let client = schema.client().await;
    on_postgres::tables(&client, schema.name()).await;
    let app = Dispatcher::builder()
        .module(messages::module())
        .module(on_postgres::handlers::module())
        .module(on_postgres::sales::module())
        .store(store)
        .build()
        .await
        .expect("builds");
    let name = schema.name().to_owned();
    let killer = tokio::spawn(async move {
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE application_name = $1 ORDER BY state = 'idle', random() LIMIT 2";
        let mut terminated = 0;
        loop {
            let rows = client.query(terminate, &[&name]).await.expect("terminates");
            terminated += rows.len();
            println!("{TEST}: {terminated} terminated");
            // Time for something to be under way again.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..15))).await;
        }
    });
    const EACH: u32 = 40;
    race(4, |number| {
        let app = app.clone();
        let article = u32::try_from(number % 2).expect("few");
        async move {
            for _ in 0..EACH {
                let id = CommandId::new();
                while let Err(error) = app.execute(receive(article, 1)).id(id).await {
                    assert!(matches!(error, CommandError::Failed(_)), "{error}");
                }
            }
        }
    })
    .await;
    killer.abort();
    let _ = killer.await;
    for article in 0..2 {
        let counted = found(|| app.state::<Counted>(&article).into_future()).await;
        assert_eq!(counted.pieces, i64::from(2 * EACH), "events");
        let rows = found(|| app.query(Pieces { article }).into_future()).await;
        assert_eq!(rows, i64::from(2 * EACH), "rows");
    }
}

/// What is read, though some pooled connections may be gone without a word having been read of it.
async fn found<T, E: Debug, F: Future<Output = Result<T, E>>>(read: impl Fn() -> F) -> T {
    for _ in 0..32 {
        match read().await {
            Ok(found) => return found,
            Err(error) => println!("a connection was gone: {error:?}"),
        }
    }
    panic!("nothing can be read");
}

#[tokio::test]
async fn handlers_of_another_store_are_reported() {
    let built = Dispatcher::builder()
        .module(messages::module())
        .module(on_postgres::handlers::module())
        .module(on_postgres::sales::module())
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
