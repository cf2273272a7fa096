use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::domain::in_memory;
use crate::server::{Server, json, problem};
use crate::watches::Events;

#[tokio::test]
async fn each_sender_sees_its_own_rows() {
    let (app, _) = in_memory().await;
    let server = Server::start(app.clone()).await;
    for account in 1..=3 {
        let deposit = json!({"account": account, "cents": 10 * account});
        let deposit = server.post("commands/Deposit", &deposit);
        assert_eq!(json(deposit).await.0, StatusCode::OK);
    }
    app.wait_until_idle(Duration::from_secs(30))
        .await
        .expect("is idle");
    let own = |account: u32| json!({"account": account, "cents": 10 * account});
    for (user, expected) in [
        ("1", json!([own(1)])),
        ("3", json!([own(3)])),
        ("4", json!([])),
        ("ann", json!([])),
        ("all", json!([own(1), own(2), own(3)])),
    ] {
        for method in ["GET", "POST", "QUERY"] {
            let method = Method::from_bytes(method.as_bytes()).expect("is a method");
            let request = server.request(method.clone(), "queries/OwnBalances");
            let request = match method {
                Method::GET => request,
                _ => request.json(&json!({})),
            };
            let (status, answer) = json(request.header("x-user", user)).await;
            assert_eq!((status, &answer), (StatusCode::OK, &expected), "{user}");
        }
        let watch = server.get("queries/OwnBalances").header("x-user", user);
        let fields = Events::of(watch).await.next().await.expect("answers");
        let data = fields.iter().find(|(name, _)| name == "data");
        let answer: Value = serde_json::from_str(&data.expect("has data").1).expect("is JSON");
        assert_eq!(answer, expected, "{user}");
    }
    let anonymous = || server.get("queries/OwnBalances");
    let (status, kind, _) = problem(anonymous()).await;
    assert_eq!((status, &*kind), (403, "denied"));
    let watch = anonymous().header("accept", "text/event-stream");
    assert_eq!(problem(watch).await.0, 403);
}
