//! Recorded statements on PostgreSQL: other transactions in the way, and lost connections.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::Dispatcher;
use cqrs_postgres::Postgres;

use super::messages::{self, Statement, Swap, Try};
use super::{failed_statement, handlers};
use crate::outage::proxy::Proxy;
use crate::support::race;
use crate::support::stock::messages::Move;
use crate::support::stock::{head, pieces, queries, receive, scenes, schema, with_modules};

async fn app(store: Postgres) -> Dispatcher {
    let builder = with_modules(&[
        queries::on_postgres::module(),
        messages::module(),
        handlers::on_postgres::module(),
    ]);
    let builder = builder
        .store(store)
        .attempts(1000)
        .max_transaction(Duration::from_secs(60));
    builder.build().await.expect("builds")
}

/// Compares the head, writes the rows, executes the statements and commits.
#[tokio::test]
async fn a_batch_with_statements_is_one_round_trip() {
    const TEST: &str = "a_batch_with_statements_is_one_round_trip";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let (proxy, waits) = Proxy::counting_waits(schema.url(), "first 77").await;
    let store = schema.options().connect(&proxy.url(schema.url())).await;
    let app = app(store.expect("it connects")).await;
    // The first batch prepares the statements.
    app.execute(receive(1, 1)).await.expect("receives");
    app.execute(receive(77, 1)).await.expect("receives");
    assert_eq!(waits.load(Ordering::Relaxed), 1);
}

/// Transactions lock rows before the head, batches after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlocks_with_transactions_of_handlers_undo_nothing() {
    const TEST: &str = "deadlocks_with_transactions_of_handlers_undo_nothing";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let dispatchers = [
        app(schema.open().await).await,
        app(schema.open().await).await,
    ];
    scenes::receive_hundred_each(&dispatchers[0]).await;
    race(16, |number| {
        let app = dispatchers[number % 2].clone();
        let (from, to) = scenes::neighbors(number);
        async move {
            if number % 4 < 2 {
                app.execute(Move { from, to }).await.expect("moves");
            } else {
                app.execute(Swap { from, to }).await.expect("swaps");
            }
        }
    })
    .await;
    scenes::assert_all_pieces(&dispatchers[0], "PostgreSQL").await;
    assert_eq!(head(&dispatchers[0]).await, 19);
}

/// A parameter that does not fit is not sent, nor is anything else of its command. A deferred constraint
/// fails the commit of the whole batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_types_and_deferred_constraints_fail_their_own_command_only() {
    const TEST: &str = "wrong_types_and_deferred_constraints_fail_their_own_command_only";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let app = app(schema.open().await).await;
    race(30, |number| {
        let app = app.clone();
        async move {
            let article = u32::try_from(number).expect("few");
            let statement = match number % 3 {
                0 => Statement::WrongType,
                1 => Statement::Orphan,
                _ => {
                    app.execute(receive(article, 1)).await.expect("receives");
                    return;
                }
            };
            let error = app.execute(Try { article, statement }).await;
            let (statement, reason) = failed_statement(&error.expect_err("it fails"));
            if number % 3 == 0 {
                assert!(reason.contains("`i32`"), "{reason}");
            } else {
                assert_eq!(statement, "COMMIT");
                assert!(reason.contains("foreign key"), "{reason}");
            }
        }
    })
    .await;
    assert_eq!(head(&app).await, 10);
    for article in 0..30 {
        assert_eq!(pieces(&app, article).await, i64::from(article % 3 == 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_execute_statements_once() {
    const TEST: &str = "lost_connections_execute_statements_once";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let options = schema.options().application_name(schema.name());
    let app = app(options.connect(schema.url()).await.expect("connects")).await;
    scenes::lost_connections_repeat_nothing(&schema, &app, 12, 5..40).await;
}
