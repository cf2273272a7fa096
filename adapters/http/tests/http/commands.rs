use cqrs_core::store::EventQuery;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::domain::in_memory;
use crate::server::{Server, json, problem, send};

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
    let expected = (409, "rejected:too-much".to_owned(), text.to_owned());
    assert_eq!(problem(much).await, expected);
    let close = server.post("commands/CloseAccount", &json!({"account": 1}));
    let close = close
        .header("x-user", "ann")
        .header("x-may", "accounts.close");
    assert_eq!(json(close).await.0, StatusCode::OK);
    let closed = server.post("commands/Deposit", &json!({"account": 1, "cents": 1}));
    assert_eq!(problem(closed).await.1, "rejected:closed");
}

#[tokio::test]
async fn what_is_not_valid_is_named_by_a_pointer() {
    let (app, _) = in_memory().await;
    let server = Server::start(app.clone()).await;
    let cases = [
        (json!({"account": 1, "cents": 0}), "#/cents"),
        (json!({"account": 1, "cents": "many"}), "#/cents"),
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
async fn many_with_one_key_at_once_have_one_effect() {
    let (app, _) = in_memory().await;
    let server = Server::start(app.clone()).await;
    let sent = (0..20).map(|_| {
        let deposit = server.post("commands/Deposit", &json!({"account": 7, "cents": 5}));
        json(deposit.header("idempotency-key", "one"))
    });
    for (status, receipt) in futures_util::future::join_all(sent).await {
        assert_eq!((status, &receipt["last"]), (StatusCode::OK, &json!(1)));
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
