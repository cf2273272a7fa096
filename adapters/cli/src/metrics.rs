use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use cqrs_core::Dispatcher;
use cqrs_http::Server;
use cqrs_metrics::Prometheus;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::interval;
use tracing_subscriber::prelude::*;

use crate::error::CliError;
use crate::open::{ClusterGauges, Servers};

/// Time after which measurements are summed up, if nobody asks for them.
const SUM_UP_INTERVAL: Duration = Duration::from_secs(5);

/// The metrics of a program that is served.
pub(crate) struct Metrics {
    prometheus: Prometheus,
    /// Where Prometheus finds them.
    listener: Option<TcpListener>,
}

impl Metrics {
    /// Begins to count. To be called before anything is done. The metrics are for Prometheus, at an address of their own, if
    /// there is one, and for the operations page: that does without them in a program that has a subscriber of its own.
    pub(crate) async fn begin(
        address: Option<SocketAddr>,
        has_page: bool,
    ) -> Result<Option<Self>, CliError> {
        let Some(address) = address else {
            let prometheus = has_page.then(|| count().ok()).flatten();
            return Ok(prometheus.map(|prometheus| Self {
                prometheus,
                listener: None,
            }));
        };
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| CliError::Failed(format!("cannot listen on {address}: {error}")))?;
        Ok(Some(Self {
            prometheus: count()?,
            listener: Some(listener),
        }))
    }

    pub(crate) fn address(&self) -> Result<Option<SocketAddr>, CliError> {
        let address = self.listener.as_ref().map(TcpListener::local_addr);
        Ok(address.transpose()?)
    }

    pub(crate) fn prometheus(&self) -> Prometheus {
        self.prometheus.clone()
    }

    /// Serves them, until what is returned is dropped.
    pub(crate) fn serve(self, dispatcher: Dispatcher, servers: Servers) -> JoinSet<()> {
        let Self {
            prometheus,
            listener,
        } = self;
        let mut serving = JoinSet::new();
        let counted = prometheus.clone();
        serving.spawn(async move {
            let mut ticks = interval(SUM_UP_INTERVAL);
            loop {
                ticks.tick().await;
                counted.sum_up();
            }
        });
        let Some(listener) = listener else {
            return serving;
        };
        let cluster = Arc::new(ClusterGauges::new());
        let metrics = get(async move || {
            cluster.observe(&servers).await;
            let text = prometheus.render(&dispatcher);
            ([(CONTENT_TYPE, Prometheus::CONTENT_TYPE)], text)
        });
        let routes = Router::new().route("/metrics", metrics);
        serving.spawn(async move {
            // It ends with the program only.
            Server::new(listener, routes).run(pending()).await;
        });
        serving
    }
}

/// Counts what the program does from now on.
fn count() -> Result<Prometheus, CliError> {
    let prometheus = Prometheus::install().map_err(|error| CliError::Failed(error.to_string()))?;
    tracing_subscriber::registry()
        .with(cqrs_metrics::layer())
        .try_init()
        .map_err(|error| {
            CliError::Failed(format!(
                "`--metrics-listen` needs a program without a subscriber of its own: add \
                 `cqrs_metrics::layer()` to that, and `/metrics` with `Program::routes` ({error})"
            ))
        })?;
    Ok(prometheus)
}
