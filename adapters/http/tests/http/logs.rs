//! What a server writes about requests, at every level.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use cqrs_http::Options;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::domain::in_memory;
use crate::server::{Server, json, send};
use crate::tokens::{claims, signed, tokens};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Fields<'l>(&'l mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0, "{field}: {value:?}").expect("is a text");
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        span.record(&mut Fields(&mut self.0.lock().expect("is not poisoned")));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Fields(&mut self.0.lock().expect("is not poisoned")));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Fields(&mut self.0.lock().expect("is not poisoned")));
    }
}

/// Of tokens that are accepted and of others, of secrets in bodies and in query strings.
#[tokio::test]
async fn no_secret_of_a_request_is_in_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    // Server and client are tasks of this thread.
    let _written = tracing::subscriber::set_default(subscriber);
    let (app, _) = in_memory().await;
    let server = Server::with(Options::new().bearer(tokens()), app).await;
    let valid = signed(&claims(json!({})));
    let forged = format!("{valid}x");
    let card = "4111-1111-1111-1111";
    let deposit = |cents: u32, token: &str| {
        let body = json!({"account": 1, "cents": cents, "notes": [{"text": card}]});
        server.post("commands/Deposit", &body).bearer_auth(token)
    };
    let statuses = [
        json(deposit(5, &valid)).await.0,
        json(deposit(5, &forged)).await.0,
        json(deposit(0, &valid)).await.0,
        json(deposit(2_000_000, &valid)).await.0,
    ];
    assert_eq!(statuses.map(|it| it.as_u16()), [200, 401, 400, 409]);
    let unfit = server.get(&format!("queries/BalanceOf?account={card}"));
    assert_eq!(send(unfit.bearer_auth(&valid)).await.status(), 400);
    let broken = server
        .post("commands/Break", &json!({}))
        .bearer_auth(&valid);
    assert_eq!(send(broken).await.status(), 500);

    let written = log.0.lock().expect("is not poisoned").clone();
    // The log has what operators need, the reason of the failure, so it has been looked at.
    assert!(written.contains("hunter2"), "{written}");
    let signature = valid.rsplit('.').next().expect("has one");
    for secret in [&valid, signature, card] {
        assert!(!written.contains(secret), "{secret} is in\n{written}");
    }
}
