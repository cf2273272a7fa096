use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use cqrs_core::Dispatcher;
use cqrs_metrics::Prometheus;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing_subscriber::prelude::*;

use crate::error::CliError;
use crate::open::{ClusterGauges, Servers};

/// The metrics of a program that is served, at an address of their own.
pub(crate) struct Metrics {
    listener: TcpListener,
    prometheus: Prometheus,
}

impl Metrics {
    /// Begins to count. To be called before anything is done.
    pub(crate) async fn begin(address: SocketAddr) -> Result<Self, CliError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| CliError::Failed(format!("cannot listen on {address}: {error}")))?;
        let prometheus =
            Prometheus::install().map_err(|error| CliError::Failed(error.to_string()))?;
        tracing_subscriber::registry()
            .with(cqrs_metrics::layer())
            .try_init()
            .map_err(|error| {
                CliError::Failed(format!(
                    "`--metrics-listen` needs a program without a subscriber of its own: add \
                     `cqrs_metrics::layer()` to that, and `/metrics` with `Program::routes` ({error})"
                ))
            })?;
        Ok(Self {
            listener,
            prometheus,
        })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr, CliError> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves them, until what is returned is dropped.
    pub(crate) fn serve(self, dispatcher: Dispatcher, servers: Servers) -> JoinSet<()> {
        let (prometheus, cluster) = (self.prometheus, Arc::new(ClusterGauges::new()));
        let metrics = get(async move || {
            cluster.observe(&servers).await;
            let text = prometheus.render(&dispatcher);
            ([(CONTENT_TYPE, Prometheus::CONTENT_TYPE)], text)
        });
        let routes = Router::new().route("/metrics", metrics);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It ends with the program only.
            let _ = axum::serve(self.listener, routes).await;
        });
        serving
    }
}
