use std::future::ready;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use cqrs_core::app::ProbeResult;
use cqrs_core::{Actor, Dispatcher};
use cqrs_http::{Options, Unauthenticated};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::args::ServeArgs;
use crate::call::Call;
use crate::error::CliError;
use crate::out::{print_json_line, print_line};
use crate::settings::Settings;
use crate::shutdown::{GRACE, close};
use crate::signal::Signal;

/// How a program is served: its arguments, and where these say nothing, its settings.
pub(crate) struct Serving {
    pub(crate) arguments: ServeArgs,
    pub(crate) settings: Settings,
    /// Makes the routes, with the options that are set.
    pub(crate) routes: Arc<Routes>,
}

/// The function that makes the routes of a program.
pub(crate) type Routes = dyn Fn(Dispatcher, Options) -> Router + Send + Sync;

/// The address to listen on by default.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl Serving {
    fn options(&self, actor: Actor, permissions: Vec<String>) -> Options {
        let (given, set) = (&self.arguments, &self.settings);
        let mut options = Options::new();
        if let Some(bytes) = given.max_body.or(set.max_body) {
            options = options.max_body(bytes);
        }
        if let Some(seconds) = given.timeout.or(set.timeout) {
            options = options.timeout(Duration::from_secs(seconds));
        }
        if let Some(seconds) = given.body_timeout.or(set.body_timeout) {
            options = options.body_timeout(Duration::from_secs(seconds));
        }
        if let Some(requests) = given.max_requests.or(set.max_requests) {
            options = options.max_requests(requests);
        }
        if let Some(watches) = given.max_watches.or(set.max_watches) {
            options = options.max_watches(watches);
        }
        if let Some(requests) = given.max_rate.or(set.max_rate) {
            options = options.max_rate(requests, Duration::from_secs(60));
        }
        let header = given.actor_header.as_ref().or(set.actor_header.as_ref());
        match header.cloned() {
            None => options.actor(move |_| Ok(Some(actor.clone()))),
            Some(header) => {
                options.actor(move |head| named_by(&header, &head.headers, &permissions))
            }
        }
    }
}

/// The actor whose name is in a header.
fn named_by(
    header: &str,
    headers: &HeaderMap,
    permissions: &[String],
) -> Result<Option<Actor>, Unauthenticated> {
    let value = headers.get(header).and_then(|value| value.to_str().ok());
    let Some(name) = value.filter(|name| !name.is_empty()) else {
        return Err(Unauthenticated {
            reason: "the header with the name of the actor is missing".into(),
            challenge: "Proxy",
        });
    };
    let actor = Actor::new(name);
    Ok(Some(permissions.iter().cloned().fold(actor, Actor::with)))
}

/// Whether the process works, and whether it can answer requests, for those who start and watch it.
fn health(dispatcher: &Dispatcher) -> Router {
    let (live, ready) = (dispatcher.clone(), dispatcher.clone());
    Router::new()
        .route("/health/live", get(async move || told(&live.liveness())))
        .route("/health/ready", get(async move || told(&ready.readiness())))
}

/// Without the reasons, which may contain what clients are not to know: `status` shows them.
fn told(result: &ProbeResult) -> (StatusCode, Json<Value>) {
    let status = if result.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({"ok": result.is_ok()})))
}

/// Serves a program over HTTP, until the program is told to stop.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    serving: &Serving,
    call: &Call,
    about: cqrs_openapi::Options,
) -> Result<(), CliError> {
    let named = serving.arguments.listen.or(serving.settings.listen);
    let listen = named.unwrap_or(DEFAULT_LISTEN);
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| CliError::Failed(format!("cannot listen on {listen}: {error}")))?;
    let address = listener.local_addr()?;
    let options = serving.options(call.actor(), call.permissions());
    let routes = health(dispatcher)
        .fallback_service((serving.routes)(dispatcher.clone(), options.openapi(about)));
    let (stop, stopped) = oneshot::channel::<()>();
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        // An error means that nobody will tell it to stop, which is a reason to stop, too.
        let _ = stopped.await;
    });
    let mut signaled = pin!(Signal::received());
    tokio::select! {
        // First, so that the signal is caught before anybody knows that the program is there.
        biased;
        signal = &mut signaled => return Ok(signal.map(drop)?),
        () = ready(()) => {}
    }
    if call.is_json {
        print_json_line(&json!({"listening": format!("http://{address}")}))?;
    } else {
        print_line(format_args!("listening on http://{address}"))?;
    }
    let stopping = async {
        let signal = signaled.await;
        // Whoever watches a query is told by the dispatcher, and would be waited for otherwise.
        drop(stop);
        close(dispatcher).await;
        signal
    };
    let mut server = Box::pin(server.into_future());
    let signal = tokio::select! {
        ended = &mut server => return Ok(ended?),
        signal = stopping => signal,
    };
    // A client that does not read its answer is not waited for any longer.
    let _ = timeout(GRACE, server).await;
    Ok(signal.map(drop)?)
}
