use std::num::NonZeroU32;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::domain::in_memory;
use crate::server::{Server, json, options, problem};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_body_has_a_maximum_size() {
    let (app, _) = in_memory().await;
    let server = Server::with(options().max_body(1000), app).await;
    let body = |length: usize| {
        let request = server.request(Method::POST, "commands/Deposit");
        let request = request.header("content-type", "application/json");
        request.body(format!(
            "{{\"account\": 1, \"cents\": 1{}}}",
            " ".repeat(length)
        ))
    };
    assert_eq!(json(body(100)).await.0, StatusCode::OK);
    let (status, kind, _) = problem(body(2000)).await;
    assert_eq!((status, &*kind), (413, "body-too-large"));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let (app, _) = in_memory().await;
    let options = options()
        .body_timeout(Duration::from_millis(500))
        .max_requests(1);
    let server = Server::with(options, app).await;
    let mut slow = TcpStream::connect(server.address).await.expect("connects");
    let head = "POST /api/acme/commands/Deposit HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
                content-length: 30\r\n\r\n{\"account\":";
    slow.write_all(head.as_bytes()).await.expect("is sent");
    // The others are served meanwhile.
    let balance = json(server.get("queries/BalanceOf?account=1")).await;
    assert_eq!(balance.0, StatusCode::OK);
    let mut answer = vec![0; 1024];
    let read = timeout(LONG, slow.read(&mut answer))
        .await
        .expect("in time");
    let text = String::from_utf8_lossy(&answer[..read.expect("is read")]).into_owned();
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
}

#[tokio::test]
async fn requests_over_the_limit_are_refused_and_not_queued() {
    let (app, gate) = in_memory().await;
    let server = Server::with(options().max_requests(1), app.clone()).await;
    let waiting = tokio::spawn(json(server.post("commands/Wait", &json!({}))));
    let begun = timeout(LONG, gate.begun.acquire()).await;
    begun.expect("in time").expect("is open").forget();
    let refused = json(server.get("queries/BalanceOf?account=1")).await;
    assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.1["type"], "urn:cqrs:problem:overloaded");
    gate.open.add_permits(1);
    assert_eq!(waiting.await.expect("no panic").0, StatusCode::OK);
    assert_eq!(
        json(server.get("queries/BalanceOf?account=1")).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn requests_over_the_rate_of_their_sender_are_refused() {
    let (app, _) = in_memory().await;
    let two = NonZeroU32::new(2).expect("some");
    let limited = options().max_rate(two, Duration::from_secs(7200));
    let server = Server::with(limited, app).await;
    let as_user = |user: &str| {
        let request = server.get("queries/BalanceOf?account=1");
        request.header("x-user", user)
    };
    let deposit = server.post("commands/Deposit", &json!({"account": 1, "cents": 1}));
    assert_eq!(
        json(deposit.header("x-user", "ann")).await.0,
        StatusCode::OK
    );
    assert_eq!(json(as_user("ann")).await.0, StatusCode::OK);
    let refused = as_user("ann").send().await.expect("answers");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = refused.headers()["retry-after"].to_str().expect("a text");
    let seconds: u64 = wait.parse().expect("a number");
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    let (_, kind, _) = problem(as_user("ann")).await;
    assert_eq!(kind, "too-many-requests");
    // Others have a rate of their own, and those whom nobody knows have one together.
    assert_eq!(json(as_user("bob")).await.0, StatusCode::OK);
    let tries = [
        problem(as_user("nobody")).await,
        problem(as_user("nobody")).await,
    ];
    assert_eq!(tries.map(|(status, ..)| status), [401, 401]);
    assert_eq!(problem(as_user("nobody")).await.0, 429);
}

#[tokio::test]
async fn a_command_that_takes_too_long_has_an_unknown_outcome() {
    let (app, gate) = in_memory().await;
    let server = Server::with(options().timeout(Duration::from_millis(50)), app).await;
    let wait = || {
        server
            .post("commands/Wait", &json!({}))
            .header("idempotency-key", "one")
    };
    let (status, kind, _) = problem(wait()).await;
    assert_eq!((status, &*kind), (504, "indeterminate"));
    gate.open.add_permits(2);
    assert_eq!(json(wait()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_in_progress_is_answered_during_a_shutdown() {
    let (app, gate) = in_memory().await;
    let mut server = Server::start(app.clone()).await;
    let waiting = tokio::spawn(json(server.post("commands/Wait", &json!({}))));
    let begun = timeout(LONG, gate.begun.acquire()).await;
    begun.expect("in time").expect("is open").forget();
    server.stop();
    gate.open.add_permits(1);
    assert_eq!(waiting.await.expect("no panic").0, StatusCode::OK);
    timeout(LONG, server.stopped()).await.expect("in time");
    app.shutdown(LONG).await.expect("ends");
}
