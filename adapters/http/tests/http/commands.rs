use std::time::Duration;

use cqrs_core::CommandId;
use cqrs_core::store::EventQuery;
use reqwest::header::HeaderName;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use crate::domain::in_memory;
use crate::server::{Server, json, options, problem, send};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_command_is_carried_out_and_its_position_waited_for() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    for sent in 1..=20 {
        let deposit = json!({"account": 1, "cents": 5});
        let response = send(server.post("commands/Deposit", &deposit)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let position = response.headers().get("log-position").cloned();
        let position = position.expect("has a position");
        let receipt: serde_json::Value = response.json().await.expect("is JSON");
        assert_eq!(
            (&receipt["events"], &receipt["last"]),
            (&json!(1), &json!(sent))
        );
        let asked = server
            .get("queries/BalanceOf?account=1")
            .header("min-position", position);
        assert_eq!(json(asked).await, (StatusCode::OK, json!(sent * 5)));
    }
}

#[tokio::test]
async fn a_rejection_has_the_name_of_its_variant() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let much = server.post(
        "commands/Deposit",
        &json!({"account": 1, "cents": 2_000_000}),
    );
    let text = "2000000 cents are more than an account may have";
    let expected = (409, "rejected:Deposit:too-much".to_owned(), text.to_owned());
    assert_eq!(problem(much).await, expected);
    let close = server.post("commands/CloseAccount", &json!({"account": 1}));
    let close = close
        .header("x-user", "ann")
        .header("x-may", "accounts.close");
    assert_eq!(json(close).await.0, StatusCode::OK);
    let closed = server.post("commands/Deposit", &json!({"account": 1, "cents": 1}));
    assert_eq!(problem(closed).await.1, "rejected:Deposit:closed");
    let other = server.post("commands/Rename", &json!({"account": 1}));
    assert_eq!(problem(other).await.1, "rejected:Rename:closed");
}

#[tokio::test]
async fn a_rejection_has_the_data_of_its_error() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let body = json!({"account": 1, "cents": 2_000_000});
    let (_, much) = json(server.post("commands/Deposit", &body)).await;
    assert_eq!(much["rejection"], json!({"TooMuch": {"cents": 2_000_000}}));
    // An error that cannot be written.
    let close = server.post("commands/CloseAccount", &json!({"account": 1}));
    let close = close.header("x-user", "ann");
    json(close.header("x-may", "accounts.close")).await;
    let (_, closed) = json(server.post("commands/Rename", &json!({"account": 1}))).await;
    assert_eq!(closed["type"], "urn:cqrs:problem:rejected:Rename:closed");
    assert_eq!(closed.get("rejection"), None);
}

#[tokio::test]
async fn what_is_not_valid_is_named_by_a_pointer() {
    let (app, _) = in_memory().await;
    let server = Server::start(app.clone()).await;
    let cases = [
        (json!({"account": 1, "cents": 0}), "#/cents"),
        (json!({"account": 1, "cents": "many"}), "#/cents"),
        (json!({"account": 1}), "#/cents"),
        (
            json!({"account": 1, "cents": 1, "notes": [{"text": "a"}, {"text": 5}]}),
            "#/notes/1/text",
        ),
    ];
    for (body, pointer) in cases {
        let (status, problem) = json(server.post("commands/Deposit", &body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        assert_eq!(problem["type"], "urn:cqrs:problem:invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    for body in ["", "{", "[1, 2]", "null", "{\"account\": 1}", "\u{0}"] {
        let request = server.request(Method::POST, "commands/Deposit");
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let (status, kind, _) = problem(request).await;
        assert_eq!((status, &*kind), (400, "invalid"), "{body}");
    }
    assert!(
        app.events(EventQuery::All)
            .all()
            .await
            .expect("reads")
            .is_empty()
    );
}

#[tokio::test]
async fn a_message_without_fields_needs_no_body() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let bare = server.request(Method::POST, "commands/Ping");
    assert_eq!(json(bare).await.0, StatusCode::OK);
    let empty = server.post("commands/Ping", &json!({}));
    assert_eq!(json(empty).await.0, StatusCode::OK);
    // As a form of another site would be sent.
    let form = server.request(Method::POST, "commands/Ping");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(problem(form).await.0, 415);
}

#[tokio::test]
async fn one_key_has_one_effect() {
    let (app, _) = in_memory().await;
    let server = Server::start(app.clone()).await;
    let deposit = |cents: u64, key: &'static str, user: &'static str| {
        let body = json!({"account": 7, "cents": cents});
        let request = server.post("commands/Deposit", &body);
        request
            .header("idempotency-key", key)
            .header("x-user", user)
    };
    let uuid = "\"0190f1a0-0000-7000-8000-000000000001\"";
    for key in [uuid, "order 1"] {
        let (status, first) = json(deposit(5, key, "ann")).await;
        assert_eq!(
            (status, &first["replayed"]),
            (StatusCode::OK, &json!(false))
        );
        let (status, again) = json(deposit(5, key, "ann")).await;
        assert_eq!((status, &again["replayed"]), (StatusCode::OK, &json!(true)));
        assert_eq!(first["last"], again["last"]);
        let (status, kind, _) = problem(deposit(6, key, "ann")).await;
        assert_eq!((status, &*kind), (422, "key-reused"));
    }
    // Another client counts from 1, too.
    let (_, others) = json(deposit(5, "order 1", "bob")).await;
    assert_eq!(others["replayed"], false);
    let long = "k".repeat(300);
    let request = server
        .post("commands/Ping", &json!({}))
        .header("idempotency-key", long);
    assert_eq!(problem(request).await.1, "bad-header");
    assert_eq!(
        app.events(EventQuery::All)
            .all()
            .await
            .expect("reads")
            .len(),
        3
    );
}

#[tokio::test]
async fn a_key_that_was_used_is_told_whatever_the_body_is() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let send = |body: &'static str, key: &'static str| {
        let request = server.request(Method::POST, "commands/Deposit");
        let request = request.header("content-type", "application/json");
        request.header("idempotency-key", key).body(body)
    };
    let body = r#"{"account": 7, "cents": 5}"#;
    assert_eq!(json(send(body, "one")).await.0, StatusCode::OK);
    let others = [
        r#"{"account": 7, "cents": "#,
        r#"{"account": 7}"#,
        r#"{"account": 7, "cents": 0}"#,
    ];
    for body in others {
        let (status, kind, _) = problem(send(body, "one")).await;
        assert_eq!((status, &*kind), (422, "key-reused"), "{body}");
        let (status, kind, _) = problem(send(body, "two")).await;
        assert_eq!((status, &*kind), (400, "invalid"), "{body}");
    }
}

#[tokio::test]
async fn an_id_of_the_server_is_no_key() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let derived = CommandId::derived("reaction", b"event").to_string();
    let ping = server.post("commands/Ping", &json!({}));
    let (status, kind, detail) = problem(ping.header("idempotency-key", derived)).await;
    assert_eq!((status, &*kind), (400, "bad-header"));
    assert!(detail.contains("version 8"), "{detail}");
}

#[tokio::test]
async fn many_with_one_key_at_once_have_one_effect() {
    let (app, _) = in_memory().await;
    let server = Server::start(app.clone()).await;
    let sent = (0..20).map(|_| {
        let deposit = server.post("commands/Deposit", &json!({"account": 7, "cents": 5}));
        json(deposit.header("idempotency-key", "one"))
    });
    for (status, answer) in futures_util::future::join_all(sent).await {
        if status == StatusCode::OK {
            assert_eq!(answer["last"], 1);
        } else {
            assert_eq!(status, StatusCode::CONFLICT, "{answer}");
            assert_eq!(answer["type"], "urn:cqrs:problem:in-progress");
        }
    }
    assert_eq!(
        app.events(EventQuery::All)
            .all()
            .await
            .expect("reads")
            .len(),
        1
    );
}

#[tokio::test]
async fn a_key_whose_command_goes_on_is_refused_until_it_is_answered() {
    let (app, gate) = in_memory().await;
    let server = Server::start(app).await;
    let wait = || {
        let request = server.post("commands/Wait", &json!({}));
        request.header("idempotency-key", "one")
    };
    let first = tokio::spawn(json(wait()));
    let begun = timeout(LONG, gate.begun.acquire()).await;
    begun.expect("in time").expect("is open").forget();
    let response = send(wait()).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, kind, _) = problem(wait()).await;
    assert_eq!((status, &*kind), (409, "in-progress"));
    gate.open.add_permits(1);
    assert_eq!(first.await.expect("no panic").0, StatusCode::OK);
    let (status, receipt) = json(wait()).await;
    assert_eq!(
        (status, &receipt["replayed"]),
        (StatusCode::OK, &json!(true))
    );
}

#[tokio::test]
async fn who_may_not_is_refused_before_anything_is_read() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let close = || {
        let request = server.request(Method::POST, "commands/CloseAccount");
        request
            .header("content-type", "application/json")
            .body("not JSON")
    };
    assert_eq!(problem(close()).await.0, 403);
    let (status, _, detail) = problem(close().header("x-user", "ann")).await;
    assert_eq!(status, 403, "{detail}");
    let response = send(close().header("x-user", "nobody")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "X-User");
    let may = close()
        .header("x-user", "ann")
        .header("x-may", "accounts.close");
    assert_eq!(problem(may).await.0, 400);
    assert_eq!(problem(server.get("queries/Secret")).await.0, 403);
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let (status, kind, detail) = problem(server.post("commands/Deposits", &json!({}))).await;
    assert_eq!((status, &*kind), (404, "unknown"));
    assert!(detail.contains("did you mean `Deposit`?"), "{detail}");
    let bytes = server.request(Method::POST, "commands/%FF");
    assert_eq!(problem(bytes).await.0, 404);
    let response = send(server.get("commands/Deposit")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    let text = server
        .request(Method::POST, "commands/Deposit")
        .body("account=1");
    assert_eq!(problem(text).await.0, 415);
}

#[tokio::test]
async fn the_reason_of_a_failure_stays_in_the_server() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let (status, kind, detail) = problem(server.post("commands/Break", &json!({}))).await;
    assert_eq!((status, &*kind), (500, "failed"));
    assert!(!detail.contains("hunter2"), "{detail}");
}

#[tokio::test]
async fn a_panic_outside_of_handlers_is_answered() {
    let (app, _) = in_memory().await;
    let options = options().actor(|head| match head.headers.get("x-user") {
        Some(_) => panic!("hunter2"),
        None => Ok(None),
    });
    let server = Server::with(options, app).await;
    let ping = server.post("commands/Ping", &json!({}));
    let (status, kind, detail) = problem(ping.header("x-user", "ann")).await;
    assert_eq!((status, &*kind), (500, "failed"));
    assert!(!detail.contains("hunter2"), "{detail}");
    let ping = server.post("commands/Ping", &json!({}));
    assert_eq!(json(ping).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_compressed_is_refused_by_its_coding() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let ping = |coding: &'static str| {
        let request = server.post("commands/Ping", &json!({}));
        request.header("content-encoding", coding)
    };
    let response = send(ping("gzip")).await;
    assert_eq!(response.headers()["accept-encoding"], "identity");
    let (status, kind, detail) = problem(ping("identity, gzip")).await;
    assert_eq!((status, &*kind), (415, "body-encoded"));
    assert!(detail.contains("`gzip`"), "{detail}");
    assert_eq!(json(ping("identity")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn metadata_is_what_the_program_makes_of_a_request() {
    let (app, _) = in_memory().await;
    let request_id = HeaderName::from_static("x-request-id");
    let options = options()
        .metadata_from_header(request_id, "request-id")
        .metadata(|head, actor| {
            let actor = actor.map(|actor| ("sender", actor.name().to_owned()));
            let path = Some(("path", head.uri.path().to_owned()));
            actor.into_iter().chain(path).collect()
        });
    let server = Server::with(options, app.clone()).await;
    let deposit =
        |cents: u32| server.post("commands/Deposit", &json!({"account": 1, "cents": cents}));
    let sent = deposit(1)
        .header("x-user", "ann")
        .header("x-request-id", "7");
    let sent = sent.header("cqrs-metadata", "tenant=other");
    assert_eq!(json(sent).await.0, StatusCode::OK);
    assert_eq!(json(deposit(2)).await.0, StatusCode::OK);
    let long = deposit(3).header("x-request-id", "x".repeat(1025));
    let (status, kind, text) = problem(long).await;
    assert_eq!((status, kind.as_str()), (400, "invalid"), "{text}");
    assert!(text.contains("1025 bytes, at most 1024"), "{text}");
    let events = app.events(EventQuery::All).all().await.expect("reads");
    let found: Vec<_> = events.iter().map(|it| json!(it.meta.custom)).collect();
    let path = "/commands/Deposit";
    let first = json!({"request-id": "7", "sender": "ann", "path": path});
    assert_eq!(found, [first, json!({"path": path})]);
}
