//! A dispatcher with a router that takes one input after the other.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use cqrs_core::Dispatcher;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::domain::builder;

/// How many inputs one dispatcher takes: its store is in memory.
const INPUTS: u32 = 2000;

/// How long a stream is listened to, which has no end.
const MOMENT: Duration = Duration::from_millis(2);

pub struct Served {
    runtime: Runtime,
    router: fn(Dispatcher) -> Router,
    current: Option<(Dispatcher, Router)>,
    inputs: u32,
}

/// An answer: its status and its body.
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Served {
    pub fn new(router: fn(Dispatcher) -> Router) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self {
            runtime: runtime.expect("a runtime"),
            router,
            current: None,
            inputs: 0,
        }
    }

    /// The dispatcher of the moment.
    fn current(&mut self) -> (Dispatcher, Router) {
        self.inputs += 1;
        if self.inputs.is_multiple_of(INPUTS)
            && let Some((app, _)) = self.current.take()
        {
            let ended = self.runtime.block_on(app.shutdown(Duration::from_secs(5)));
            ended.expect("ends");
        }
        let current = self.current.get_or_insert_with(|| {
            let app = self.runtime.block_on(builder().build());
            let app = app.expect("builds");
            (app.clone(), (self.router)(app))
        });
        current.clone()
    }

    /// Does something with the dispatcher.
    pub fn with<T>(&mut self, act: impl AsyncFnOnce(Dispatcher) -> T) -> T {
        let (app, _) = self.current();
        self.runtime.block_on(act(app))
    }

    /// Sends a request and checks what holds for every answer: no failure of the server, and a problem with its status
    /// where something is refused.
    pub fn send(&mut self, request: Request<Body>) -> Answer {
        let (_, router) = self.current();
        let is_head = request.method() == Method::HEAD;
        self.runtime.block_on(async {
            let response = router.oneshot(request).await.expect("is answered");
            checked(response, is_head).await
        })
    }
}

async fn checked(response: Response<Body>, is_head: bool) -> Answer {
    let status = response.status();
    let media_type = response.headers().get(CONTENT_TYPE).cloned();
    let media_type = media_type.as_ref().and_then(|it| it.to_str().ok());
    let body = if media_type == Some("text/event-stream") {
        let mut stream = response.into_body().into_data_stream();
        match timeout(MOMENT, stream.next()).await {
            Ok(Some(part)) => part.expect("is sent").to_vec(),
            _ => Vec::new(),
        }
    } else {
        let body = to_bytes(response.into_body(), usize::MAX).await;
        body.expect("is sent").to_vec()
    };
    // A path that is not below the router's is the application's.
    let is_elsewhere = status == StatusCode::NOT_FOUND && media_type.is_none();
    if (status.is_client_error() || status.is_server_error()) && !is_elsewhere {
        assert_eq!(media_type, Some("application/problem+json"), "{status}");
        if is_head {
            assert!(body.is_empty(), "{status}");
            return Answer { status, body };
        }
        let problem: Value = serde_json::from_slice(&body).expect("is JSON");
        assert_eq!(problem["status"], status.as_u16(), "{problem}");
        let kind = problem["type"].as_str().expect("has a type");
        assert!(kind.starts_with("urn:cqrs:problem:"), "{problem}");
        let detail = problem["detail"].as_str().expect("has a detail");
        assert!(!detail.is_empty(), "{problem}");
        // A position beyond the log's end is waited for in vain.
        let is_waiting = kind == "urn:cqrs:problem:behind";
        assert!(!status.is_server_error() || is_waiting, "{problem}");
    }
    Answer { status, body }
}
