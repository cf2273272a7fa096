use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use crate::domain::in_memory;
use crate::server::{Server, json, options, problem, send};

const LONG: Duration = Duration::from_secs(30);

/// The events of a stream.
pub struct Events {
    response: Response,
    text: String,
}

impl Events {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = send(request.header("accept", "text/event-stream")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The fields of the next event, without comments. `None` at the end.
    pub async fn next(&mut self) -> Option<Vec<(String, String)>> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let fields = event.lines().filter_map(|line| line.split_once(": "));
                let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let fields: Vec<_> = fields.collect();
                let length = self.text.len() - rest.len();
                self.text.drain(..length);
                if fields.is_empty() {
                    continue;
                }
                return Some(fields);
            }
            let chunk = timeout(LONG, self.response.chunk()).await.expect("in time");
            let chunk = chunk.expect("is read")?;
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("is text"));
        }
    }

    /// The data of the next event, and its id.
    async fn answer(&mut self) -> (String, String) {
        let fields = self.next().await.expect("goes on");
        let field = |name: &str| {
            let found = fields.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        assert_eq!(field("event"), "answer", "{fields:?}");
        (field("data"), field("id"))
    }
}

async fn deposit(server: &Server, cents: u64) {
    let deposit = server.post("commands/Deposit", &json!({"account": 1, "cents": cents}));
    assert_eq!(json(deposit).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_watched_query_tells_each_change_and_goes_on_later() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let balance = || server.get("queries/BalanceOf?account=1");
    let mut events = Events::of(balance()).await;
    assert_eq!(events.answer().await.0, "null");
    deposit(&server, 5).await;
    let (data, id) = events.answer().await;
    assert_eq!((&*data, &*id), ("5", "1"));
    drop(events);
    deposit(&server, 6).await;
    // The one after the reconnect is never older than what was seen.
    let mut events = Events::of(balance().header("last-event-id", "2")).await;
    assert_eq!(events.answer().await, ("11".to_owned(), "2".to_owned()));
    let wrong = balance().header("accept", "text/event-stream");
    assert_eq!(problem(wrong.header("last-event-id", "x")).await.0, 400);
}

#[tokio::test]
async fn an_error_is_an_event() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    for path in ["queries/Nothing", "queries/Repeat?text=1&label=2"] {
        let mut events = Events::of(server.get(path)).await;
        let fields = events.next().await.expect("tells");
        assert_eq!(fields[0], ("event".to_owned(), "problem".to_owned()));
        assert!(fields[1].1.contains("urn:cqrs:problem:"), "{fields:?}");
    }
    // Who may not ask it has no stream: a browser would connect again and again.
    let denied = server.get("queries/SecretBalance?account=1");
    let denied = denied.header("accept", "text/event-stream");
    let (status, kind, _) = problem(denied).await;
    assert_eq!((status, &*kind), (403, "denied"));
}

#[tokio::test]
async fn watches_have_a_number_of_their_own() {
    let (app, _) = in_memory().await;
    let options = options().max_watches(1).max_requests(1);
    let server = Server::with(options, app).await;
    let balance = || server.get("queries/BalanceOf?account=1");
    let mut first = Events::of(balance()).await;
    first.answer().await;
    let second = balance().header("accept", "text/event-stream");
    let (status, kind, _) = problem(second).await;
    assert_eq!((status, &*kind), (503, "overloaded"));
    assert_eq!(json(balance()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_watch_ends_with_the_dispatcher() {
    let (app, _) = in_memory().await;
    let mut server = Server::start(app.clone()).await;
    let mut events = Events::of(server.get("queries/BalanceOf?account=1")).await;
    events.answer().await;
    server.stop();
    app.shutdown(LONG).await.expect("ends");
    let fields = events.next().await.expect("tells why");
    assert!(
        fields[1].1.contains("urn:cqrs:problem:shut-down"),
        "{fields:?}"
    );
    assert_eq!(events.next().await, None);
    drop(events);
    timeout(LONG, server.stopped()).await.expect("in time");
}
