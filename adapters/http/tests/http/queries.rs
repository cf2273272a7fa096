use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_core::app::HeldPermissions;
use cqrs_sqlite::Sqlite;
use reqwest::{Method, StatusCode, Version};
use serde_json::json;

use crate::domain::{Gate, in_memory, module};
use crate::server::{Server, json, problem, send};

#[tokio::test]
async fn a_query_is_asked_with_every_method() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let query = Method::from_bytes(b"QUERY").expect("is a method");
    let body = json!({"text": "7", "label": "8", "numbers": [9], "is_loud": true});
    let by_get = server.get("queries/Repeat?text=7&label=8&numbers=9&is_loud=true");
    let by_post = server.post("queries/Repeat", &body);
    let by_query = server.request(query, "queries/Repeat").json(&body);
    for request in [by_get, by_post, by_query] {
        assert_eq!(json(request).await, (StatusCode::OK, body.clone()));
    }
    let response = send(server.request(Method::DELETE, "queries/Repeat")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET, HEAD, POST, QUERY");
    let head = send(server.request(Method::HEAD, "queries/BalanceOf?account=1")).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.text().await.expect("is empty"), "");
}

#[tokio::test]
async fn both_versions_of_http_are_served() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge();
    let client = client.build().expect("a client");
    let address = format!(
        "http://{}/api/acme/queries/BalanceOf?account=1",
        server.address
    );
    let response = send(client.get(address)).await;
    assert_eq!(
        (response.status(), response.version()),
        (StatusCode::OK, Version::HTTP_2)
    );
    let response = send(server.get("queries/BalanceOf?account=1")).await;
    assert_eq!(response.version(), Version::HTTP_11);
}

#[tokio::test]
async fn a_query_string_that_does_not_fit_is_named() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    for text in ["account=one", "account=1&account=2", "account=-1", ""] {
        let (status, problem) = json(server.get(&format!("queries/BalanceOf?{text}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
    for (text, reason) in [
        ("text=a&label=b&numbers=100", "has one over 99"),
        ("text=0&label=b", "is 0"),
        ("text=a&label=b&numbers=-1", "integer `-1`"),
    ] {
        let (status, problem) = json(server.get(&format!("queries/Repeat?{text}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        assert!(problem.to_string().contains(reason), "{problem}");
    }
}

#[tokio::test]
async fn an_answer_that_is_known_is_not_sent_again() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let balance = || server.get("queries/BalanceOf?account=1");
    let first = send(balance()).await;
    let tag = first.headers()["etag"].clone();
    let known = send(balance().header("if-none-match", &tag)).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(known.headers()["etag"], tag);
    assert_eq!(known.text().await.expect("is empty"), "");

    let sent = send(server.post("commands/Deposit", &json!({"account": 1, "cents": 5}))).await;
    let position = sent.headers()["log-position"].clone();
    let other = balance()
        .header("if-none-match", &tag)
        .header("min-position", position);
    assert_eq!(json(other).await, (StatusCode::OK, json!(5)));
}

/// A client reads from one process what it has written through another one.
#[tokio::test]
async fn a_position_goes_from_process_to_process() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let start = async || {
        let store = Sqlite::open(&path).await.expect("opens");
        let builder = Dispatcher::builder().module(module()).store(store);
        let builder = builder.authorizer(HeldPermissions).provide(Gate::closed());
        let app = builder.build().await.expect("builds");
        Server::start(app).await
    };
    let (writer, reader) = (start().await, start().await);
    for sent in 1..=20 {
        let deposit = json!({"account": 1, "cents": 1});
        let response = send(writer.post("commands/Deposit", &deposit)).await;
        let position = response.headers()["log-position"].clone();
        let asked = reader
            .get("queries/BalanceOf?account=1")
            .header("min-position", position);
        assert_eq!(json(asked).await, (StatusCode::OK, json!(sent)));
    }
}

#[tokio::test]
async fn a_position_that_does_not_come_is_waited_for_in_vain() {
    let (app, _) = in_memory().await;
    let builder = Dispatcher::builder().module(module()).stores_of(&app);
    let builder = builder.authorizer(HeldPermissions).provide(Gate::closed());
    let builder = builder.max_wait(Duration::from_millis(20));
    let server = Server::start(builder.build().await.expect("builds")).await;
    let asked = |position: &str| {
        let request = server.get("queries/BalanceOf?account=1");
        request.header("min-position", position)
    };
    let response = send(asked("1000")).await;
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, kind, _) = problem(asked("1000")).await;
    assert_eq!((status, &*kind), (503, "behind"));
    assert_eq!(problem(asked("soon")).await.1, "bad-header");
    // A bookmark of another log.
    let (status, kind, _) = problem(asked("1-00000000-5")).await;
    assert_eq!((status, &*kind), (400, "invalid"));
}
