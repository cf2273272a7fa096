//! Recorded statements on PostgreSQL whose rows another program keeps locked.

use std::time::Duration;

use cqrs_core::error::Failure;
use cqrs_core::store::AppendError;
use cqrs_core::{CommandError, CommandId, Dispatcher};
use cqrs_postgres::{Options, Postgres};
use futures_util::future::join;
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio_postgres::Client;

use super::messages::{self, Statement, Try};
use super::{failed_statement, handlers};
use crate::support::postgres::Schema;
use crate::support::race;
use crate::support::stock::messages::{Count, Move};
use crate::support::stock::{head, pieces, queries, receive, schema, with_modules};

async fn app(store: Postgres) -> Dispatcher {
    let builder = with_modules(&[
        queries::on_postgres::module(),
        messages::module(),
        handlers::on_postgres::module(),
    ]);
    let built = builder.store(store).attempts(16).build();
    built.await.expect("builds")
}

/// Connections that are recognized by the name of the schema.
fn options(schema: &Schema) -> Options {
    schema.options().application_name(schema.name())
}

async fn open(schema: &Schema, options: Options) -> Dispatcher {
    let store = options.connect(schema.url()).await;
    app(store.expect("it connects")).await
}

/// Another program, which has locked the rows of these articles. Dropping it rolls back.
async fn lock(schema: &Schema, articles: &[i64]) -> Client {
    let client = schema.client().await;
    client.batch_execute("BEGIN").await.expect("it begins");
    let lock = format!(
        "SELECT FROM {}.stock WHERE article = ANY ($1) FOR UPDATE",
        schema.name()
    );
    let locked = client.execute(&lock, &[&articles]).await;
    assert_eq!(locked.expect("it is locked"), articles.len() as u64);
    client
}

async fn release(client: Client) {
    client.batch_execute("COMMIT").await.expect("it commits");
}

/// Waits until this program keeps so many connections of the stores waiting.
async fn until_blocked(schema: &Schema, count: i64) {
    let client = schema.client().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE application_name = $1 AND wait_event_type = 'Lock'";
    loop {
        let row = client.query_one(waiting, &[&schema.name()]).await;
        if row.expect("a count").get::<_, i64>(0) >= count {
            return;
        }
        yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_holds_up_its_own_command_only() {
    const TEST: &str = "a_locked_row_holds_up_its_own_command_only";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let app = open(&schema, options(&schema)).await;
    for article in 0..4 {
        app.execute(receive(article, 1)).await.expect("receives");
    }
    let other = lock(&schema, &[0]).await;
    let blocked = tokio::spawn({
        let app = app.clone();
        async move { app.execute(receive(0, 5)).await }
    });
    until_blocked(&schema, 1).await;
    race(48, |number| {
        let app = app.clone();
        let article = u32::try_from(number % 3).expect("few") + 1;
        async move { app.execute(receive(article, 1)).await.expect("receives") }
    })
    .await;
    assert!(!blocked.is_finished());
    assert_eq!(head(&app).await, 4 + 48);
    release(other).await;
    let receipt = blocked.await.expect("no panic").expect("receives");
    assert_eq!(receipt.last().get(), 4 + 48 + 1);
    for (article, expected) in [(0, 6), (1, 17), (2, 17), (3, 17)] {
        assert_eq!(pieces(&app, article).await, expected);
    }
}

#[tokio::test]
async fn a_row_that_stays_locked_fails_its_command_with_a_way_out() {
    const TEST: &str = "a_row_that_stays_locked_fails_its_command_with_a_way_out";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let timeout = Duration::from_secs(1);
    let app = open(&schema, options(&schema).retry_timeout(timeout)).await;
    app.execute(receive(1, 1)).await.expect("receives");
    let other = lock(&schema, &[1]).await;
    let error = app.execute(receive(1, 5)).await.expect_err("it is locked");
    let (statement, reason) = failed_statement(&error);
    assert_eq!(statement, handlers::ADD);
    let way_out = "another transaction has kept a lock that it needs for 1s: end that transaction, \
                   and send the command again (";
    assert!(reason.starts_with(way_out), "{reason}");
    assert!(reason.contains("lock timeout"), "{reason}");
    release(other).await;
    assert_eq!((pieces(&app, 1).await, head(&app).await), (1, 1));
    app.execute(receive(1, 5)).await.expect("receives");
    assert_eq!((pieces(&app, 1).await, head(&app).await), (6, 2));
}

/// More than there are connections to wait on. Each row is released while all others are locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_about_several_locked_rows_each_wait_for_their_own() {
    const TEST: &str = "commands_about_several_locked_rows_each_wait_for_their_own";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let timeout = Duration::from_secs(60);
    let options = options(&schema).pool_size(4).retry_timeout(timeout);
    let app = open(&schema, options).await;
    let mut rows = Vec::new();
    for article in 0..5 {
        app.execute(receive(article, 1)).await.expect("receives");
        let other = lock(&schema, &[i64::from(article)]).await;
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let app = app.clone();
                let count = Count { article, pieces: 1 };
                tokio::spawn(async move { app.execute(count).await })
            })
            .collect();
        rows.push((article, other, calls));
    }
    until_blocked(&schema, 2).await;
    for (article, other, calls) in rows.into_iter().rev() {
        assert!(calls.iter().all(|call| !call.is_finished()));
        release(other).await;
        for call in calls {
            call.await.expect("no panic").expect("counts");
        }
        assert_eq!(pieces(&app, article).await, 9);
    }
}

/// The rows of the statements before the one that waits are not locked meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_command_whose_aggregate_changes_is_decided_again() {
    const TEST: &str = "a_blocked_command_whose_aggregate_changes_is_decided_again";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let app = open(&schema, options(&schema)).await;
    for article in [1, 2] {
        app.execute(receive(article, 10)).await.expect("receives");
    }
    let other = lock(&schema, &[2]).await;
    let blocked = tokio::spawn({
        let app = app.clone();
        async move { app.execute(Move { from: 1, to: 2 }).await }
    });
    until_blocked(&schema, 1).await;
    let process = open(&schema, options(&schema)).await;
    for _ in 0..20 {
        process.execute(receive(1, 1)).await.expect("receives");
    }
    assert!(!blocked.is_finished());
    release(other).await;
    let receipt = blocked.await.expect("no panic").expect("moves");
    assert_eq!(receipt.last().get(), 23);
    assert_eq!((pieces(&app, 1).await, pieces(&app, 2).await), (29, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_sent_several_times_for_a_locked_row_executes_its_statements_once() {
    const TEST: &str = "one_id_sent_several_times_for_a_locked_row";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let processes = [
        open(&schema, options(&schema)).await,
        open(&schema, options(&schema)).await,
    ];
    processes[0].execute(receive(1, 1)).await.expect("receives");
    let other = lock(&schema, &[1]).await;
    let id = CommandId::new();
    let released = async {
        until_blocked(&schema, 2).await;
        release(other).await;
    };
    let sent = race(12, |number| {
        let app = processes[number % 2].clone();
        let count = Count {
            article: 1,
            pieces: 1,
        };
        async move { app.execute(count).id(id).await.expect("counts") }
    });
    join(released, sent).await;
    assert_eq!(pieces(&processes[0], 1).await, 2);
}

/// A deferred constraint waits for a row in the commit, where no statement has a name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_needs_a_locked_row_holds_up_its_own_command_only() {
    const TEST: &str = "a_commit_that_needs_a_locked_row_holds_up_its_own_command_only";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let app = open(&schema, options(&schema)).await;
    app.execute(receive(1, 1)).await.expect("receives");
    let client = schema.client().await;
    let parent = format!("INSERT INTO {}.stock VALUES (-8, 0)", schema.name());
    client.execute(&parent, &[]).await.expect("inserts");
    let other = lock(&schema, &[-8]).await;
    let blocked = tokio::spawn({
        let app = app.clone();
        let statement = Statement::Orphan;
        let article = 7;
        async move { app.execute(Try { article, statement }).await }
    });
    until_blocked(&schema, 1).await;
    race(20, |number| {
        let app = app.clone();
        let article = u32::try_from(number).expect("few") + 10;
        async move { app.execute(receive(article, 1)).await.expect("receives") }
    })
    .await;
    assert!(!blocked.is_finished());
    release(other).await;
    blocked.await.expect("no panic").expect("it has a parent");
    assert_eq!((pieces(&app, 7).await, head(&app).await), (2, 22));
}

#[tokio::test]
async fn more_blocked_commands_than_the_queue_holds_are_refused_as_overload() {
    const TEST: &str = "more_blocked_commands_than_the_queue_holds_are_refused_as_overload";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let app = open(&schema, options(&schema).queue(2)).await;
    app.execute(receive(1, 1)).await.expect("receives");
    let other = lock(&schema, &[1]).await;
    let count = || Count {
        article: 1,
        pieces: 1,
    };
    let mut blocked = Vec::new();
    for waiting in 1..=2 {
        let app = app.clone();
        blocked.push(tokio::spawn(async move { app.execute(count()).await }));
        until_blocked(&schema, waiting).await;
    }
    // The second one may be waiting in its batch still.
    let error = app.execute(count()).await.expect_err("no room");
    let overloaded = AppendError::Overloaded { waiting: 2 }.to_string();
    match error {
        CommandError::Failed(Failure::Append(error)) => assert_eq!(error.to_string(), overloaded),
        other => panic!("not an overload: {other:?}"),
    }
    release(other).await;
    for call in blocked {
        call.await.expect("no panic").expect("counts");
    }
    assert_eq!(pieces(&app, 1).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_command_survives_the_loss_of_all_connections() {
    const TEST: &str = "a_blocked_command_survives_the_loss_of_all_connections";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let app = open(&schema, options(&schema)).await;
    app.execute(receive(1, 1)).await.expect("receives");
    let other = lock(&schema, &[1]).await;
    let blocked = tokio::spawn({
        let app = app.clone();
        async move { app.execute(receive(1, 5)).await }
    });
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE application_name = $1";
    for _ in 0..5 {
        until_blocked(&schema, 1).await;
        let ended = other.query(terminate, &[&schema.name()]).await;
        assert!(!ended.expect("it ends them").is_empty());
    }
    release(other).await;
    blocked.await.expect("no panic").expect("receives");
    assert_eq!((pieces(&app, 1).await, head(&app).await), (6, 2));
}

/// The caller has gone as well. An append that was accepted is carried out all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_command_is_carried_out_after_its_store_was_dropped() {
    const TEST: &str = "a_blocked_command_is_carried_out_after_its_store_was_dropped";
    let Some(schema) = schema(TEST).await else {
        return;
    };
    let app = open(&schema, options(&schema)).await;
    app.execute(receive(1, 1)).await.expect("receives");
    let other = lock(&schema, &[1]).await;
    let call = tokio::spawn(async move { app.execute(receive(1, 5)).await });
    until_blocked(&schema, 1).await;
    call.abort();
    assert!(call.await.expect_err("it was aborted").is_cancelled());
    release(other).await;
    let app = open(&schema, schema.options()).await;
    while head(&app).await < 2 {
        yield_now().await;
    }
    assert_eq!((pieces(&app, 1).await, head(&app).await), (6, 2));
}

/// Its connections are closed, as by the end of the process.
#[test]
fn a_process_that_ends_while_a_command_is_blocked_has_recorded_nothing_of_it() {
    const TEST: &str = "a_process_that_ends_while_a_command_is_blocked";
    let runtime = || Runtime::new().expect("a runtime");
    let test = runtime();
    let Some(schema) = test.block_on(schema(TEST)) else {
        return;
    };
    let id = CommandId::new();
    let process = runtime();
    let app = process.block_on(async {
        let app = open(&schema, options(&schema)).await;
        app.execute(receive(1, 1)).await.expect("receives");
        app
    });
    let other = test.block_on(lock(&schema, &[1]));
    process.spawn(async move { app.execute(receive(1, 5)).id(id).await });
    test.block_on(until_blocked(&schema, 1));
    // Until its tasks are dropped, and their connections with them: otherwise it would still go on when the
    // row is released.
    process.shutdown_timeout(Duration::from_secs(60));
    test.block_on(async {
        release(other).await;
        let app = open(&schema, options(&schema)).await;
        assert_eq!((pieces(&app, 1).await, head(&app).await), (1, 1));
        for _ in 0..2 {
            app.execute(receive(1, 5)).id(id).await.expect("receives");
            assert_eq!((pieces(&app, 1).await, head(&app).await), (6, 2));
        }
    });
}
