//! A PostgreSQL server that stands still while it commits a handler's transaction.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::error::Failure;
use cqrs_core::store::{AppendError, EventLogExt, StoreError};
use cqrs_core::{CommandError, CommandId, Dispatcher, Position};
use cqrs_postgres::Postgres;
use test_postgres::Server;
use tokio::task::spawn_blocking;
use tokio_postgres::{Client, NoTls};

use super::messages;
use super::on_postgres::{handlers, sales};
use crate::outage::until;
use crate::support::stock::messages::{Pieces, Receive};
use crate::support::stock::{create_tables, queries, with_modules};

/// What a commit waits for, so that it can be stopped in the middle.
const SLOW_COMMIT: &str = "
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE ON stock
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()";

const IN_COMMIT: &str =
    "pid FROM pg_stat_activity WHERE query ~ 'COMMIT\\s*$' AND wait_event = 'advisory'";

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Committed,
    Terminated,
}

async fn on_server(server: &Arc<Server>, step: fn(&Server)) {
    let server = server.clone();
    let done = spawn_blocking(move || step(&server));
    done.await.expect("the server does it");
}

async fn client(server: &Server) -> Client {
    let connected = tokio_postgres::connect(server.url(), NoTls).await;
    let (client, connection) = connected.expect("connects");
    tokio::spawn(connection);
    client
}

/// The server resumes after the caller has its answer, or shortly before.
async fn stop_a_commit(server: &Arc<Server>, app: &Dispatcher, article: u32, end: End, late: bool) {
    let other = client(server).await;
    let lock = other.batch_execute("SELECT pg_advisory_lock(7)");
    lock.await.expect("the lock");
    let id = CommandId::new();
    let pieces = 5;
    let receive = move || Receive { article, pieces };
    let receiving = tokio::spawn({
        let app = app.clone();
        async move { app.execute(receive()).id(id).await }
    });
    until(|| async {
        let waiting = format!("SELECT {IN_COMMIT}");
        let waiting = other.query_opt(&waiting, &[]).await;
        waiting.expect("an answer").is_some()
    })
    .await;
    let head = app.log().head().await.expect("a head");
    on_server(server, Server::stand_still).await;
    if !late {
        // As long as the commit's own deadline, about.
        let read = app.log().head().await.expect_err("no answer");
        assert!(matches!(read, StoreError::Unavailable { .. }), "{read}");
    }
    let receiving = if late {
        let answer = receiving.await.expect("no panic");
        on_server(server, Server::go_on).await;
        answer
    } else {
        on_server(server, Server::go_on).await;
        finish(&other, end).await;
        receiving.await.expect("no panic")
    };
    if late {
        finish(&other, end).await;
    }
    // Whatever held the log's head is gone.
    until(|| async {
        let waiting = format!("SELECT {IN_COMMIT}");
        let waiting = other.query_opt(&waiting, &[]).await;
        waiting.expect("an answer").is_none()
    })
    .await;
    let now = async || app.log().head().await.expect("a head");
    match receiving {
        Ok(receipt) => assert_eq!(receipt.last(), now().await),
        Err(CommandError::Failed(Failure::Append(AppendError::Indeterminate { .. }))) => {}
        // Which says that nothing was recorded.
        Err(CommandError::Failed(Failure::Append(AppendError::Store(
            StoreError::Unavailable { .. },
        )))) => {
            assert_eq!(now().await, head);
        }
        Err(error) => panic!("{end:?}: {error:?}"),
    }
    let receipt = app.execute(receive()).id(id).await.expect("the answer");
    assert_eq!(
        receipt.last(),
        Position::new(head.get() + 1),
        "{end:?}: once"
    );
    let there = app.query(Pieces { article }).await.expect("answers");
    assert_eq!(there, pieces, "{end:?}: once");
}

/// Lets the commit go on, or ends its session.
async fn finish(other: &Client, end: End) {
    if end == End::Terminated {
        let terminate = format!("SELECT pg_terminate_backend(pid) FROM (SELECT {IN_COMMIT}) AS it");
        other.batch_execute(&terminate).await.expect("it ends");
    }
    let unlock = other.batch_execute("SELECT pg_advisory_unlock(7)");
    unlock.await.expect("the lock is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_the_server_stopped_in_is_done_once_or_not_at_all() {
    let test = "a_commit_that_the_server_stopped_in_is_done_once_or_not_at_all";
    let server = spawn_blocking(move || Server::private(test)).await;
    let Some(server) = server.expect("it starts").map(Arc::new) else {
        return;
    };
    let plain = client(&server).await;
    create_tables(&plain, "public").await;
    plain.batch_execute(SLOW_COMMIT).await.expect("it is made");
    let store = Postgres::options()
        .retry_timeout(Duration::from_secs(2))
        .statement_timeout(Duration::ZERO)
        .pool_size(4);
    let store = store.connect(server.url()).await.expect("connects");
    let app = with_modules(&[
        queries::on_postgres::module(),
        messages::module(),
        handlers::module(),
        sales::module(),
    ])
    .max_transaction(Duration::from_secs(60))
    .store(store)
    .build()
    .await
    .expect("builds");
    let ends = [End::Committed, End::Terminated];
    let cases = ends.into_iter().flat_map(|end| [(end, true), (end, false)]);
    for (article, (end, late)) in (1..).zip(cases) {
        stop_a_commit(&server, &app, article, end, late).await;
    }
    drop(app);
}
