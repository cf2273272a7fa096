//! `If-Match` of commands.

use cqrs_core::Dispatcher;
use cqrs_core::app::HeldPermissions;
use cqrs_sqlite::Sqlite;
use futures_util::future::join_all;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;

use crate::domain::{Gate, in_memory, module};
use crate::server::{Server, json, options, problem, send};

fn deposit(server: &Server, account: u32, position: u64) -> RequestBuilder {
    let deposit = server.post("commands/Deposit", &json!({"account": account, "cents": 5}));
    deposit.header("if-match", format!("\"{position}\""))
}

#[tokio::test]
async fn a_command_is_refused_if_its_account_has_changed() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    // Nothing has happened yet.
    assert_eq!(json(deposit(&server, 1, 0)).await.1["last"], 1);
    assert_eq!(json(deposit(&server, 1, 1)).await.1["last"], 2);
    let (status, kind, detail) = problem(deposit(&server, 1, 1)).await;
    assert_eq!((status, &*kind), (412, "moved"));
    assert!(detail.contains("position 2"), "{detail}");
    // Other accounts do not matter.
    assert_eq!(json(deposit(&server, 2, 0)).await.1["last"], 3);
    assert_eq!(json(deposit(&server, 1, 2)).await.1["last"], 4);
}

#[tokio::test]
async fn a_command_that_was_carried_out_is_not_refused_by_its_own_event() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let keyed = || deposit(&server, 1, 0).header("idempotency-key", "one");
    let (_, first) = json(keyed()).await;
    let (status, again) = json(keyed()).await;
    assert_eq!((status, &again["replayed"]), (StatusCode::OK, &json!(true)));
    assert_eq!(first["last"], again["last"]);
}

#[tokio::test]
async fn of_many_who_have_seen_the_same_one_is_admitted() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    for round in 0..10 {
        let sent = (0..16).map(|_| send(deposit(&server, 1, round)));
        let statuses = join_all(sent).await.into_iter().map(|it| it.status());
        let (admitted, refused): (Vec<_>, Vec<_>) =
            statuses.partition(|status| *status == StatusCode::OK);
        assert_eq!((admitted.len(), refused.len()), (1, 15), "round {round}");
        assert!(
            refused
                .iter()
                .all(|it| *it == StatusCode::PRECONDITION_FAILED)
        );
    }
}

/// The check is that of the append, so it holds over processes.
#[tokio::test]
async fn of_two_processes_one_is_admitted() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let start = async || {
        let store = Sqlite::open(&path).await.expect("opens");
        let builder = Dispatcher::builder().module(module()).store(store);
        let builder = builder.authorizer(HeldPermissions).provide(Gate::closed());
        Server::start(builder.build().await.expect("builds")).await
    };
    let servers = [start().await, start().await];
    for round in 0..10 {
        let sent = (0..8).map(|number| send(deposit(&servers[number % 2], 1, round)));
        let statuses = join_all(sent).await.into_iter().map(|it| it.status());
        let admitted = statuses.filter(|status| *status == StatusCode::OK).count();
        assert_eq!(admitted, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_command_without_an_aggregate_matches_nothing() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let ping = server.post("commands/Ping", &json!({}));
    let (status, kind, _) = problem(ping.header("if-match", "\"0\"")).await;
    assert_eq!((status, &*kind), (400, "invalid"));
    let star = server.post("commands/Deposit", &json!({"account": 1, "cents": 5}));
    assert_eq!(problem(star.header("if-match", "*")).await.1, "bad-header");
}

#[tokio::test]
async fn a_server_of_queries_has_no_route_for_commands() {
    let (app, _) = in_memory().await;
    let server = Server::with(options().only_queries(), app).await;
    let response = send(deposit(&server, 1, 0)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let balance = server.get("queries/BalanceOf?account=1");
    assert_eq!(json(balance).await.0, StatusCode::OK);
}
