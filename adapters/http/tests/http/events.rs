use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::domain::{in_memory, with_log};
use crate::server::{Server, json, options, problem, send};
use crate::watches::Events;

const LONG: Duration = Duration::from_secs(30);

async fn server() -> Server {
    Server::with(options().event_feed(), with_log().await).await
}

async fn deposit(server: &Server, account: u32) {
    let deposit = server.post("commands/Deposit", &json!({"account": account, "cents": 5}));
    assert_eq!(json(deposit).await.0, StatusCode::OK);
}

fn feed(server: &Server, query: &str) -> RequestBuilder {
    let request = server.get(&format!("events?{query}"));
    request.header("x-user", "ann").header("x-may", "log.read")
}

/// The next event, without positions that have no event.
async fn next(events: &mut Events) -> Value {
    loop {
        let fields = events.next().await.expect("goes on");
        let field = |name: &str| fields.iter().find(|(own, _)| own == name);
        let Some((_, data)) = field("data") else {
            continue;
        };
        let event: Value = serde_json::from_str(data).expect("is JSON");
        assert_eq!(field("event").map(|it| &*it.1), Some("event"), "{event}");
        let id = field("id").expect("has an id");
        assert_eq!(id.1, event["position"].to_string());
        return event;
    }
}

#[tokio::test]
async fn events_are_sent_as_they_are_in_the_log() {
    let server = server().await;
    let close = server.post("commands/CloseAccount", &json!({"account": 2}));
    deposit(&server, 1).await;
    let close = close
        .header("x-user", "bob")
        .header("x-may", "accounts.close");
    assert_eq!(json(close).await.0, StatusCode::OK);
    let mut events = Events::of(feed(&server, "")).await;
    let first = next(&mut events).await;
    assert_eq!(
        (&first["type"], &first["data"], &first["tags"]),
        (
            &json!("deposited"),
            &json!({"account": 1, "cents": 5}),
            &json!(["account:1"])
        )
    );
    let second = next(&mut events).await;
    assert_eq!(
        (&second["type"], &second["actor"], &second["position"]),
        (&json!("account-closed"), &json!("bob"), &json!(2))
    );
    // Those that come are sent, too.
    deposit(&server, 3).await;
    assert_eq!(next(&mut events).await["tags"], json!(["account:3"]));
}

#[tokio::test]
async fn a_filter_selects_by_type_and_tag() {
    let server = server().await;
    for account in [1, 2, 1] {
        deposit(&server, account).await;
    }
    let mut events = Events::of(feed(&server, "tag=account:1&type=deposited&after=1")).await;
    assert_eq!(next(&mut events).await["position"], 3);
    let mut others = Events::of(feed(&server, "type=account-closed")).await;
    // The reader learns how far the log was searched, so that it need not begin at the start.
    let fields = others.next().await.expect("goes on");
    assert_eq!(fields, [("id".to_owned(), "3".to_owned())]);
    for query in ["kind=deposited", "tag=account", "after=x"] {
        let (status, kind, _) = problem(feed(&server, query)).await;
        assert_eq!((status, &*kind), (400, "invalid"), "{query}");
    }
}

#[tokio::test]
async fn a_filter_selects_by_actor_and_time() {
    let server = server().await;
    for (account, user) in [(1, "ann"), (2, "bob"), (3, "ann")] {
        let deposit = server.post("commands/Deposit", &json!({"account": account, "cents": 5}));
        assert_eq!(json(deposit.header("x-user", user)).await.0, StatusCode::OK);
    }
    let mut of_ann = Events::of(feed(&server, "actor=ann&since=2020-01-01T00:00:00Z")).await;
    assert_eq!(next(&mut of_ann).await["position"], 1);
    let third = next(&mut of_ann).await;
    assert_eq!(
        (&third["position"], &third["actor"]),
        (&json!(3), &json!("ann"))
    );
    let time = third["time"].as_str().expect("is text").to_owned();
    let mut since = Events::of(feed(&server, &format!("since={time}&type=deposited"))).await;
    assert_eq!(next(&mut since).await["position"], 3);
    // The one who asks is not the one who is asked about.
    let own = server.get("events?actor=bob").header("x-user", "bob");
    assert_eq!(problem(own).await.0, 403);
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_nothing() {
    const EVENTS: u64 = 300;
    let server = server().await;
    let write = async {
        for account in 1..=EVENTS {
            deposit(&server, u32::try_from(account % 7).expect("is small")).await;
        }
    };
    let read = async {
        let mut seen = 0;
        while seen < EVENTS {
            let request = feed(&server, "after=0").header("last-event-id", seen);
            let mut events = Events::of(request).await;
            // The connection is lost after a few events, in the midst of a page.
            for _ in 0..(EVENTS - seen).min(13) {
                let position = next(&mut events).await["position"].as_u64();
                assert_eq!(position, Some(seen + 1));
                seen += 1;
            }
        }
    };
    let both = async { tokio::join!(write, read) };
    timeout(LONG, both).await.expect("in time");
}

#[tokio::test]
async fn nobody_reads_the_log_without_its_permission() {
    let server = server().await;
    assert_eq!(problem(server.get("events")).await.0, 403);
    let ann = server.get("events?after=x").header("x-user", "ann");
    let (status, kind, _) = problem(ann).await;
    assert_eq!(
        (status, &*kind),
        (403, "denied"),
        "before anything is parsed"
    );
    let nobody = server.get("events").header("x-user", "nobody");
    assert_eq!(problem(nobody).await.0, 401);
    let post = server.request(Method::POST, "events");
    assert_eq!(send(post).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    // A log without a permission is not open to the world.
    let (app, _) = in_memory().await;
    let open = Server::with(options().event_feed(), app).await;
    assert_eq!(problem(feed(&open, "")).await.0, 403);
    // Nor is there a feed that was not asked for.
    let silent = Server::start(with_log().await).await;
    let response = send(feed(&silent, "")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_feed_counts_as_a_watch_and_ends_with_the_dispatcher() {
    let app = with_log().await;
    let options = options().event_feed().max_watches(1);
    let server = Server::with(options, app.clone()).await;
    deposit(&server, 1).await;
    let mut first = Events::of(feed(&server, "")).await;
    next(&mut first).await;
    let (status, kind, _) = problem(feed(&server, "")).await;
    assert_eq!((status, &*kind), (503, "overloaded"));
    app.shutdown(LONG).await.expect("ends");
    let fields = first.next().await.expect("tells why");
    assert!(fields[1].1.contains("problem:shut-down"), "{fields:?}");
    assert_eq!(first.next().await, None);
}

#[tokio::test]
async fn a_position_behind_the_end_is_told() {
    let server = server().await;
    deposit(&server, 1).await;
    let mut events = Events::of(feed(&server, "").header("last-event-id", "9")).await;
    let fields = events.next().await.expect("tells why");
    assert!(fields[1].1.contains("problem:log-replaced"), "{fields:?}");
    assert_eq!(events.next().await, None);
}
