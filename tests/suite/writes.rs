//! Statements that command handlers record, executed with their events.

mod handlers;
mod locked_rows;
mod messages;
mod on_postgres;

use cqrs_core::error::Failure;
use cqrs_core::store::AppendError;
use cqrs_core::testing::given;
use cqrs_core::{CommandError, Dispatcher, Memory};

use crate::support::race;
use crate::support::stock::messages::{Counted, Label, Labels, Pieces, Received};
use crate::support::stock::{self, Setting, head, pieces, receive, scenes};
use messages::{Abort, Ending, Journal, Statement, Try};

async fn settings(test: &str) -> Vec<Setting> {
    let sqlite = [messages::module(), handlers::on_sqlite::module()];
    let postgres = [messages::module(), handlers::on_postgres::module()];
    stock::settings(test, &sqlite, &postgres).await
}

/// The statement and the reason of a command that failed because of a statement.
fn failed_statement<E: std::error::Error>(error: &CommandError<E>) -> (String, String) {
    match error {
        CommandError::Failed(Failure::Append(AppendError::Statement { statement, reason })) => {
            (statement.to_string(), reason.to_string())
        }
        other => panic!("not a failed statement: {other:?}"),
    }
}

#[tokio::test]
async fn statements_commit_with_the_events_and_are_read_after_the_receipt() {
    for it in settings("statements_commit").await {
        let app = it.app().await;
        app.execute(receive(1, 10)).await.expect("receives");
        let receipt = app.execute(receive(1, -3)).await.expect("receives");
        let there = app.query(Pieces { article: 1 }).after(&receipt).await;
        assert_eq!(there.expect("an answer"), 7, "{}", it.name);
        assert_eq!(receipt.last().get(), 2);
    }
}

#[tokio::test]
async fn statements_of_a_handler_that_does_not_succeed_are_discarded() {
    for it in settings("statements_are_discarded").await {
        let app = it.app().await;
        app.execute(receive(1, 10)).await.expect("receives");
        for ending in [Ending::Rejects, Ending::Fails, Ending::Panics] {
            let abort = Abort { article: 1, ending };
            app.execute(abort).await.expect_err("does not succeed");
        }
        app.execute(receive(2, 1)).await.expect("receives");
        assert_eq!(pieces(&app, 1).await, 10, "{}", it.name);
        assert_eq!(head(&app).await, 2);
    }
}

#[tokio::test]
async fn a_failing_statement_is_reported_with_the_error_of_the_database() {
    for it in settings("a_failing_statement_is_reported").await {
        let app = it.app().await;
        app.execute(receive(1, 10)).await.expect("receives");
        let error = app.execute(receive(1, -2000)).await.expect_err("too many");
        let (statement, reason) = failed_statement(&error);
        assert_eq!(statement, handlers::ADD);
        assert!(
            reason.to_lowercase().contains("check constraint"),
            "{reason}"
        );
        // Neither the events nor the id: the same command may succeed later.
        assert_eq!((pieces(&app, 1).await, head(&app).await), (10, 1));
        app.execute(receive(1, -10)).await.expect("receives");
        assert_eq!((pieces(&app, 1).await, head(&app).await), (0, 2));
    }
}

/// Each statement that cannot be executed, beside commands that can, in the same batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_statement_fails_its_own_command_only() {
    for it in settings("a_failing_statement_fails").await {
        let app = it.app().await;
        let outcomes = race(60, |number| {
            let app = app.clone();
            async move {
                let number = u32::try_from(number).expect("few");
                if number % 3 == 0 {
                    let statement = Statement::ALL[number as usize / 3 % Statement::ALL.len()];
                    let article = number;
                    let error = app.execute(Try { article, statement }).await;
                    (
                        number,
                        Err(error.expect_err("it cannot be executed").to_string()),
                    )
                } else {
                    (number, Ok(app.execute(receive(number, 1)).await))
                }
            }
        })
        .await;
        for (number, outcome) in outcomes {
            let there = pieces(&app, number).await;
            let counted = app.state::<Counted>(&number).await.expect("a state");
            match outcome {
                Ok(received) => {
                    received.expect("receives");
                    assert_eq!((there, counted.pieces), (1, 1), "{}", it.name);
                }
                Err(error) => {
                    let is_named = error.contains("a statement of the handler failed")
                        || error.contains("a statement of the handler ended it");
                    assert!(is_named, "{error}");
                    assert_eq!((there, counted.pieces), (0, 0), "{}: {error}", it.name);
                }
            }
        }
        assert_eq!(head(&app).await, 40, "{}", it.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_executes_its_statements_once() {
    scenes::one_id_writes_once(settings("one_id_executes").await).await;
}

#[tokio::test]
async fn a_command_without_events_executes_its_statements_once() {
    let settings = settings("a_command_without_events").await;
    scenes::a_command_without_events_writes_once(settings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_an_attempt_that_conflicts_are_discarded() {
    scenes::a_boundary_holds_for_rows(settings("statements_of_an_attempt").await).await;
}

/// A decision that follows one whose append is in progress, and fails because of its statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_that_follow_a_failed_statement_are_made_again() {
    for it in settings("decisions_that_follow").await {
        let app = it.app().await;
        race(40, |number| {
            let app = app.clone();
            async move {
                if number % 4 == 0 {
                    let statement = Statement::UnknownTable;
                    let command = Try {
                        article: 7,
                        statement,
                    };
                    app.execute(command).await.expect_err("there is no table");
                } else {
                    app.execute(Label { article: 7 }).await.expect("labels");
                }
            }
        })
        .await;
        let labels = app.query(Labels { article: 7 }).await.expect("an answer");
        assert_eq!(labels, (1..=30).collect::<Vec<i64>>(), "{}", it.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_commands_about_several_aggregates_all_succeed() {
    scenes::racing_moves_all_succeed(settings("racing_commands").await).await;
}

/// Each statement of the journal takes the place after the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_executed_in_the_order_of_the_events() {
    for it in settings("statements_are_executed_in_order").await {
        let app = it.app().await;
        race(30, |number| {
            let app = app.clone();
            let article = u32::try_from(number % 5).expect("few");
            async move { app.execute(receive(article, 1)).await.expect("receives") }
        })
        .await;
        let recorded = app.events(cqrs_core::store::EventQuery::All).all().await;
        let expected: Vec<String> = recorded
            .expect("events")
            .iter()
            .map(|event| event.decode::<Received>().expect("an event"))
            .flat_map(|event| ["first", "second"].map(|line| format!("{line} {}", event.article)))
            .collect();
        assert_eq!(
            app.query(Journal).await.expect("lines"),
            expected,
            "{}",
            it.name
        );
    }
}

#[tokio::test]
async fn too_many_or_too_large_statements_are_refused() {
    for it in settings("too_many_statements").await {
        let app = it.app().await;
        let statement = Statement::TooMany;
        let error = app.execute(Try {
            article: 1,
            statement,
        });
        let error = error.await.expect_err("too many").to_string();
        assert!(
            error.contains("statements of one command: 1002, at most 1000"),
            "{error}"
        );
        let statement = Statement::TooLarge;
        let error = app.execute(Try {
            article: 1,
            statement,
        });
        let error = error.await.expect_err("too large").to_string();
        assert!(error.contains("states and statements: "), "{error}");
        assert_eq!((pieces(&app, 1).await, head(&app).await), (0, 0));
    }
}

#[tokio::test]
async fn handlers_of_another_store_and_doubled_inputs_are_reported() {
    let built = Dispatcher::builder()
        .module(messages::module())
        .module(handlers::on_postgres::module())
        .store(Memory::new())
        .build();
    let report = built.await.err().expect("it does not build").to_string();
    let other = "command handlers record statements for `Postgres`, which does not keep the \
                 dispatcher's log";
    assert!(report.contains(other), "{report}");
    assert!(report.contains("suite/writes/handlers.rs:"), "{report}");
    let built = Dispatcher::builder()
        .module(handlers::wrong::module())
        .store(Memory::new())
        .build();
    let report = built.await.err().expect("it does not build").to_string();
    for problem in [
        "a handler takes `&mut Writes<..>` twice, but has one list of statements",
        "a handler takes both `&mut Tx<..>` and `&mut Writes<..>`",
    ] {
        assert!(report.contains(problem), "{report}");
    }
}

/// A decision is tested without a database.
#[test]
fn a_test_of_a_decision_reads_the_statements() {
    let given = || given(()).module(handlers::on_sqlite::module());
    given().when(receive(1, 3)).then(Received {
        article: 1,
        pieces: 3,
    });
    let statements = given().when(receive(1, 3)).statements();
    assert_eq!(statements[0], format!("{} [1, 3]", handlers::ADD));
    assert_eq!(statements[1], format!("{} [\"first 1\"]", handlers::WRITE));
    assert_eq!(statements.len(), 3);
    let given = cqrs_core::testing::given(()).module(handlers::on_postgres::module());
    let statements = given.when(receive(1, 3)).statements();
    assert_eq!(statements[0], format!("{} [1, 3]", handlers::ADD));
}
