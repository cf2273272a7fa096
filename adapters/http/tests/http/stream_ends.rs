//! A stream ends with the rights of its sender. The clock of the tests runs as fast as they wait, so nothing is sent over
//! real connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use cqrs_core::app::AccessRequest;
use cqrs_core::{Actor, Authorizer, Dispatcher, Memory};
use cqrs_http::{Options, Unauthenticated};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::domain::{Gate, module};

/// What can be watched, with every permission.
const STREAMS: [&str; 2] = ["/queries/SecretBalance?account=1", "/events"];

/// Longest time from the loss of a right to the end of the stream.
const NOTICED: Duration = Duration::from_secs(5);

/// Admits everybody until it does not.
#[derive(Clone)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    fn on() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn turn_off(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Authorizer for Switch {
    fn authorize(&self, _: &AccessRequest<'_>) -> Result<(), String> {
        if self.is_on() {
            return Ok(());
        }
        Err("not any more".to_owned())
    }
}

async fn dispatcher(authorizer: impl Authorizer) -> Dispatcher {
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let builder = builder.provide(Gate::closed()).log_permission("log.read");
    let builder = builder.authorizer(authorizer);
    builder.build().await.expect("builds")
}

/// The stream at a path, or the status that is there in its place.
async fn open(api: &Router, path: &str, token: &str) -> Result<BodyDataStream, StatusCode> {
    let request = Request::get(path)
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).expect("is a request");
    let response = api.clone().oneshot(request).await.expect("is answered");
    match response.status() {
        StatusCode::OK => Ok(response.into_body().into_data_stream()),
        status => Err(status),
    }
}

/// The text of the stream, to its end.
async fn rest(mut stream: BodyDataStream) -> String {
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.expect("is read");
        text.push_str(std::str::from_utf8(&chunk).expect("is text"));
    }
    text
}

/// The problem with which a stream has ended.
fn last_problem(text: &str) -> &str {
    let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
    assert!(last.contains("event: problem"), "{text}");
    assert_eq!(text.matches("event: problem").count(), 1, "{text}");
    last
}

#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_expires() {
    use serde_json::json;

    use crate::tokens::{claims, now, signed, tokens};

    let app = dispatcher(Switch::on()).await;
    let leeway = Duration::from_secs(10);
    let options = Options::new().bearer(tokens().leeway(leeway)).event_feed();
    let api = options.router(app);
    for path in STREAMS {
        for seconds in [60, 3600] {
            let token = signed(&claims(json!({"exp": now() + seconds})));
            let opened = Instant::now();
            let text = rest(open(&api, path, &token).await.expect("is admitted")).await;
            let problem = last_problem(&text);
            assert!(problem.contains("the token has expired"), "{problem}");
            assert!(problem.contains("\"status\":401"), "{problem}");
            let (ended, expected) = (opened.elapsed(), Duration::from_secs(seconds) + leeway);
            let second = Duration::from_secs(1);
            assert!(
                ended + second >= expected && ended <= expected + second,
                "{path} after {ended:?}, not {expected:?}"
            );
        }
        let late = signed(&claims(json!({"exp": now() - 11})));
        let refused = open(&api, path, &late).await.map(drop);
        assert_eq!(refused, Err(StatusCode::UNAUTHORIZED));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_permission_is_taken_away() {
    for path in STREAMS {
        let rights = Switch::on();
        let app = dispatcher(rights.clone()).await;
        let options = Options::new().actor(|_| Ok(Some(Actor::new("ann"))));
        let api = options.event_feed().router(app);
        let stream = open(&api, path, "").await.expect("is admitted");
        let stream = tokio::spawn(rest(stream));
        sleep(10 * NOTICED).await;
        assert!(!stream.is_finished(), "it ended without a reason");
        rights.turn_off();
        let since = Instant::now();
        let text = stream.await.expect("no panic");
        let problem = last_problem(&text);
        assert!(problem.contains("urn:cqrs:problem:denied"), "{problem}");
        assert!(since.elapsed() <= NOTICED, "after {:?}", since.elapsed());
        let refused = open(&api, path, "").await.map(drop);
        assert_eq!(refused, Err(StatusCode::FORBIDDEN));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_sender_is_unknown_or_another_one() {
    for (path, is_refused) in STREAMS.into_iter().flat_map(|it| [(it, true), (it, false)]) {
        let known = Switch::on();
        let app = dispatcher(Switch::on()).await;
        let sender = known.clone();
        let options = Options::new().actor(move |_| match (sender.is_on(), is_refused) {
            (true, _) => Ok(Some(Actor::new("ann"))),
            (false, false) => Ok(Some(Actor::new("ann").with("less"))),
            (false, true) => Err(Unauthenticated {
                reason: "the session is over".to_owned(),
                challenge: "Session",
            }),
        });
        let api = options.event_feed().router(app);
        let stream = open(&api, path, "").await.expect("is admitted");
        let stream = tokio::spawn(rest(stream));
        sleep(10 * NOTICED).await;
        assert!(!stream.is_finished(), "it ended without a reason");
        known.turn_off();
        let since = Instant::now();
        let text = stream.await.expect("no panic");
        let problem = last_problem(&text);
        let expected = if is_refused {
            "the session is over"
        } else {
            "connect again"
        };
        assert!(problem.contains(expected), "{problem}");
        assert!(since.elapsed() <= NOTICED, "after {:?}", since.elapsed());
    }
}
