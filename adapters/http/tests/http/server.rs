//! A server on loopback, for the time of a test.

use std::net::SocketAddr;
use std::time::Duration;

use cqrs_core::{Actor, Dispatcher};
use cqrs_http::{Options, Unauthenticated};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub struct Server {
    pub address: SocketAddr,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Options by which the header `X-User` names the actor, who may do what `X-May` says.
pub fn options() -> Options {
    Options::new().actor(|head| {
        let text = |name| head.headers.get(name).and_then(|it| it.to_str().ok());
        match (text("x-user"), text("x-may")) {
            (Some("nobody"), _) => Err(Unauthenticated {
                reason: "nobody is known".into(),
                challenge: "X-User",
            }),
            (Some(user), Some(may)) => Ok(Some(Actor::new(user).with(may))),
            (Some(user), None) => Ok(Some(Actor::new(user))),
            (None, _) => Ok(None),
        }
    })
}

impl Server {
    pub async fn start(dispatcher: Dispatcher) -> Self {
        Self::with(options(), dispatcher).await
    }

    pub async fn with(options: Options, dispatcher: Dispatcher) -> Self {
        Self::with_head_timeout(Duration::from_secs(60), options, dispatcher).await
    }

    pub async fn with_head_timeout(
        time: Duration,
        options: Options,
        dispatcher: Dispatcher,
    ) -> Self {
        Self::set_up(options, dispatcher, |server| server.head_timeout(time)).await
    }

    pub async fn set_up(
        options: Options,
        dispatcher: Dispatcher,
        set_up: impl FnOnce(cqrs_http::Server) -> cqrs_http::Server,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("has an address");
        // Below a parameter of the application.
        let routes = axum::Router::new().nest("/api/{tenant}", options.router(dispatcher));
        let (stop, stopped) = oneshot::channel();
        let serving = set_up(cqrs_http::Server::new(listener, routes));
        let task = tokio::spawn(serving.run(async {
            let _ = stopped.await;
        }));
        Self {
            address,
            client: Client::builder().no_proxy().build().expect("a client"),
            stop: Some(stop),
            task,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}/api/acme/{path}", self.address))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A command or query with this body.
    pub fn post(&self, path: &str, json: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(json)
    }

    /// Begins a graceful shutdown.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the last request is answered.
    pub async fn stopped(self) {
        // An idle connection would be kept open.
        drop(self.client);
        self.task.await.expect("no panic");
    }
}

pub async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("is answered")
}

/// The status and the JSON of an answer.
pub async fn json(request: RequestBuilder) -> (StatusCode, Value) {
    let response = send(request).await;
    let status = response.status();
    let text = response.text().await.expect("has a body");
    let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, json)
}

/// The problem of a request: its status, the end of its type, and its detail.
pub async fn problem(request: RequestBuilder) -> (u16, String, String) {
    let response = send(request).await;
    let status = response.status().as_u16();
    let media_type = response.headers().get("content-type").cloned();
    let text = response.text().await.expect("has a body");
    assert_eq!(
        media_type.expect("has one"),
        "application/problem+json",
        "{text}"
    );
    let json: Value = serde_json::from_str(&text).expect("is JSON");
    assert_eq!(json["status"], status, "{json}");
    let kind = json["type"].as_str().expect("has a type");
    let kind = kind
        .strip_prefix("urn:cqrs:problem:")
        .expect("is one of ours");
    let detail = json["detail"].as_str().expect("has a detail");
    (status, kind.to_owned(), detail.to_owned())
}
