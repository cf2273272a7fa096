use std::future::ready;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use cqrs_core::Dispatcher;
use cqrs_core::app::{ProbeResult, Role};
use cqrs_core::store::CustomMetadata;
use cqrs_http::{Options, Server};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::args::{ServeArgs, ServedPart};
use crate::call::Call;
use crate::error::CliError;
use crate::metrics::Metrics;
use crate::open::OpenMode;
use crate::operations_page::{OperationsPage, PATH};
use crate::out::{print_json_line, print_line};
use crate::senders::{authorize, find_named, find_tokens};
use crate::shutdown::{GRACE, close};
use crate::signal::Signal;
use crate::user_role::UserRole;

/// How a program is served.
pub(crate) struct Serving {
    pub(crate) arguments: ServeArgs,
    /// The roles that the program names.
    pub(crate) roles: Vec<UserRole>,
    /// The title of the operations page.
    pub(crate) title: String,
    /// Makes the routes in the program's own way.
    pub(crate) own_routes: Option<Arc<Routes>>,
}

/// The function that makes the routes of a program, with the options that are set.
pub(crate) type Routes = dyn Fn(Dispatcher, Options) -> Router + Send + Sync;

/// The address to listen on by default.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl Serving {
    fn is_reader(&self) -> bool {
        self.arguments.only == Some(ServedPart::Queries)
    }

    /// The work of the process. A reader does no other by default.
    fn work(&self) -> Vec<Role> {
        let named = self.arguments.work.roles();
        if self.is_reader() && named.len() == Role::ALL.len() {
            return vec![Role::Queries];
        }
        named
    }

    fn mode(&self) -> OpenMode {
        if self.is_reader() {
            OpenMode::MustExist
        } else {
            OpenMode::CreateIfMissing
        }
    }

    fn listen(&self) -> SocketAddr {
        self.arguments.listen.unwrap_or(DEFAULT_LISTEN)
    }

    /// The operations page, if it is served.
    fn page(&self) -> Result<Option<OperationsPage>, CliError> {
        if self.arguments.ops != Some(true) {
            return Ok(None);
        }
        OperationsPage::new(&self.title, self.listen(), &self.arguments, &self.roles).map(Some)
    }

    fn options(&self) -> Result<Options, CliError> {
        let given = &self.arguments;
        let mut options = Options::new();
        if let Some(bytes) = given.max_body {
            options = options.max_body(bytes);
        }
        if let Some(seconds) = given.timeout {
            options = options.timeout(Duration::from_secs(seconds.get()));
        }
        if let Some(seconds) = given.body_timeout {
            options = options.body_timeout(Duration::from_secs(seconds.get()));
        }
        if let Some(requests) = given.max_requests {
            options = options.max_requests(requests.get());
        }
        if let Some(watches) = given.max_watches {
            options = options.max_watches(watches);
        }
        if let Some(requests) = given.max_rate {
            options = options.max_rate(requests, Duration::from_secs(60));
        }
        if self.is_reader() {
            options = options.only_queries();
        }
        if given.event_feed == Some(true) {
            options = options.event_feed();
        }
        for named in &given.metadata_header {
            let (header, key) = metadata_header(named)?;
            options = options.metadata_from_header(header, key);
        }
        Ok(options)
    }

    fn server(&self, listener: TcpListener, routes: Router) -> Server {
        let mut server = Server::new(listener, routes);
        if let Some(seconds) = self.arguments.head_timeout {
            server = server.head_timeout(Duration::from_secs(seconds.get()));
        }
        if let Some(connections) = self.arguments.max_connections {
            server = server.max_connections(connections);
        }
        server
    }
}

/// A header and the key of its value, from `HEADER` or `HEADER=KEY`.
fn metadata_header(named: &str) -> Result<(HeaderName, String), CliError> {
    let invalid =
        |problem: String| CliError::Invalid(format!("metadata_header `{named}`: {problem}"));
    let (name, key) = match named.split_once('=') {
        Some((name, key)) => (name, Some(key)),
        None => (named, None),
    };
    let header: HeaderName = name
        .parse()
        .map_err(|_| invalid("that is no name of a header".to_owned()))?;
    let key = key.unwrap_or(header.as_str()).to_owned();
    let metadata = CustomMetadata::from([(&*key, "")]);
    metadata.check().map_err(invalid)?;
    Ok((header, key))
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
    serving: Serving,
    call: &Call,
    about: cqrs_openapi::Options,
) -> Result<(), CliError> {
    let arguments = &serving.arguments;
    let limited = serving.options()?;
    let tokens = find_tokens(arguments, &serving.roles)?;
    let page = serving.page()?;
    let metrics = Metrics::begin(arguments.metrics_listen, page.is_some()).await?;
    let listen = serving.listen();
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| CliError::Failed(format!("cannot listen on {listen}: {error}")))?;
    let addresses = Addresses {
        listening: listener.local_addr()?,
        metrics: metrics.as_ref().map_or(Ok(None), Metrics::address)?,
        has_docs: serving.own_routes.is_none(),
        has_page: page.is_some(),
    };
    let builder = authorize(arguments, call.builder().roles(serving.work()))?;
    let (dispatcher, servers) = call.build_from(builder, serving.mode()).await?;
    let prometheus = metrics.as_ref().map(Metrics::prometheus);
    let scraped = metrics.map(|metrics| metrics.serve(dispatcher.clone(), servers));
    let about = if arguments.token_audience.is_empty() {
        about
    } else {
        about.bearer()
    };
    let documented = limited.openapi(about);
    let options = match tokens {
        Some(tokens) => documented.bearer(tokens),
        None => documented.actor(find_named(arguments, call)),
    };
    let mut routes = health(&dispatcher);
    if let Some(page) = page {
        routes = routes.nest(PATH, page.router(arguments, call, prometheus, &dispatcher));
    }
    let messages = match &serving.own_routes {
        Some(own_routes) => own_routes(dispatcher.clone(), options),
        None => options.router(dispatcher.clone()),
    };
    let routes = routes.fallback_service(messages);
    let served = until_signal(&dispatcher, serving.server(listener, routes), || {
        addresses.print(call.is_json)
    });
    let ended = served.await;
    drop(scraped);
    ended
}

/// Where the program listens.
struct Addresses {
    listening: SocketAddr,
    metrics: Option<SocketAddr>,
    /// Whether the page of the documents is at its path.
    has_docs: bool,
    has_page: bool,
}

/// The path of the page that shows the document of what is served.
const DOCUMENTATION: &str = "/docs";

impl Addresses {
    fn print(&self, is_json: bool) -> io::Result<()> {
        if is_json {
            let named = self.named().map(|(key, _, address)| (key, address));
            return print_json_line(&named.collect::<Value>());
        }
        for (_, title, address) in self.named() {
            print_line(format_args!("{title} on {address}"))?;
        }
        Ok(())
    }

    /// The addresses that there are, each with its key in JSON and its title.
    fn named(&self) -> impl Iterator<Item = (&'static str, &'static str, String)> {
        let listening = format!("http://{}", self.listening);
        let docs = self.has_docs.then(|| format!("{listening}{DOCUMENTATION}"));
        let page = self.has_page.then(|| format!("{listening}{PATH}"));
        let metrics = self.metrics.map(|it| format!("http://{it}/metrics"));
        let named = [
            ("listening", "listening", Some(listening)),
            ("docs", "documentation", docs),
            ("ops", "operations page", page),
            ("metrics", "metrics", metrics),
        ];
        named
            .into_iter()
            .filter_map(|(key, title, address)| Some((key, title, address?)))
    }
}

/// Serves routes until the program is told to stop.
async fn until_signal(
    dispatcher: &Dispatcher,
    server: Server,
    begun: impl FnOnce() -> io::Result<()>,
) -> Result<(), CliError> {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut signaled = pin!(Signal::received());
    tokio::select! {
        // First, so that the signal is caught before anybody knows that the program is there.
        biased;
        signal = &mut signaled => return Ok(signal.map(drop)?),
        () = ready(()) => {}
    }
    begun()?;
    let stopping = async {
        let signal = signaled.await;
        // Whoever watches a query is told by the dispatcher, and would be waited for otherwise.
        drop(stop);
        close(dispatcher).await;
        signal
    };
    let mut server = Box::pin(server.run(async {
        // An error means that nobody will tell it to stop, which is a reason to stop, too.
        let _ = stopped.await;
    }));
    let signal = tokio::select! {
        () = &mut server => return Ok(()),
        signal = stopping => signal,
    };
    // A client that does not read its answer is not waited for any longer.
    let _ = timeout(GRACE, server).await;
    Ok(signal.map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_routes_of_its_own_does_not_tell_where_the_documents_are() {
        let mut addresses = Addresses {
            listening: DEFAULT_LISTEN,
            metrics: None,
            has_docs: true,
            has_page: false,
        };
        let keys = |addresses: &Addresses| -> Vec<_> { addresses.named().map(|it| it.0).collect() };
        assert_eq!(keys(&addresses), ["listening", "docs"]);
        addresses.has_docs = false;
        assert_eq!(keys(&addresses), ["listening"]);
    }
}
