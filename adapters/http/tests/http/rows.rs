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
    let may = |user| {
        if user == "kim" {
            "balances.all"
        } else {
            "nothing"
        }
    };
    for (user, expected) in [
        ("1", json!([own(1)])),
        ("3", json!([own(3)])),
        ("4", json!([])),
        ("ann", json!([])),
        ("kim", json!([own(1), own(2), own(3)])),
    ] {
        for method in ["GET", "POST", "QUERY"] {
            let method = Method::from_bytes(method.as_bytes()).expect("is a method");
            let request = server.request(method.clone(), "queries/OwnBalances");
            let request = match method {
                Method::GET => request,
                _ => request.json(&json!({})),
            };
            let request = request.header("x-user", user).header("x-may", may(user));
            let (status, answer) = json(request).await;
            assert_eq!((status, &answer), (StatusCode::OK, &expected), "{user}");
        }
        let watch = server.get("queries/OwnBalances").header("x-user", user);
        let watch = watch.header("x-may", may(user));
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

/// Tokens name roles, and the file says what these may see, from one request to the next.
#[cfg(feature = "jwt")]
#[tokio::test]
async fn the_file_of_roles_decides_about_rows() {
    use std::fs;

    use cqrs_core::{Dispatcher, Memory};
    use cqrs_http::Options;
    use cqrs_http::jwt::Roles;
    use tokio::time::{sleep, timeout};

    use crate::domain::{Gate, module};
    use crate::tokens::{claims, signed, tokens};

    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("roles.toml");
    let write = |clerk: &str| {
        let roles = format!(
            "[roles]\nclerk = [{clerk}]\nadmin = [\"*\"]\nauditor = [\"balances.*\"]\n\
             guest = [\"balances\", \"balances.all.of-me\"]\n[actors]\nroot = [\"admin\"]"
        );
        fs::write(&file, roles).expect("is written");
    };
    write("\"balances.all\"");
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let builder = builder.authorizer(Roles::file(&file).expect("are valid"));
    let app = builder.provide(Gate::closed()).build().await;
    let app = app.expect("builds");
    let server = Server::with(Options::new().bearer(tokens()), app.clone()).await;
    let token = |name: &str, role: &str| signed(&claims(json!({"sub": name, "roles": [role]})));
    for account in 1..=2 {
        let deposit = json!({"account": account, "cents": 10 * account});
        let deposit = server.post("commands/Deposit", &deposit);
        let deposit = deposit.bearer_auth(token("ann", "guest"));
        assert_eq!(json(deposit).await.0, StatusCode::OK);
    }
    app.wait_until_idle(Duration::from_secs(30))
        .await
        .expect("is idle");
    let rows = async |name: &str, role: &str| {
        let query = server.get("queries/OwnBalances");
        let (status, answer) = json(query.bearer_auth(token(name, role))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    };
    let until = async |expected: &Value| {
        let wait = async {
            while rows("1", "clerk").await != *expected {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(30), wait).await
    };
    let own = json!([{"account": 1, "cents": 10}]);
    let all = json!([{"account": 1, "cents": 10}, {"account": 2, "cents": 20}]);
    for (name, role, expected) in [
        ("1", "clerk", &all),
        ("1", "admin", &all),
        ("1", "auditor", &all),
        ("root", "guest", &all),
        ("1", "guest", &own),
        ("1", "unknown", &own),
        // A role that is called like the permission is none.
        ("1", "balances.all", &own),
        ("1", "*", &own),
        ("ann", "guest", &json!([])),
    ] {
        assert_eq!(rows(name, role).await, *expected, "{name}, {role}");
    }
    write("");
    until(&own).await.expect("in time");
    assert_eq!(rows("1", "admin").await, all);
    write("\"balances.*\"");
    until(&all).await.expect("in time");
    assert_eq!(rows("1", "guest").await, own);
}
