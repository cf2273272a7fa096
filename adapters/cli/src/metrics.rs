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

use crate::error::CliError;
use crate::log;
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
    /// Begins to count, and to write the log. To be called before anything is done. The metrics are for Prometheus, at an
    /// address of their own, if there is one, and for the operations page: that does without them in a program whose own
    /// subscriber does not count.
    pub(crate) async fn begin(
        address: Option<SocketAddr>,
        has_page: bool,
    ) -> Result<Option<Self>, CliError> {
        let listener = match address {
            None => None,
            Some(address) => Some(TcpListener::bind(address).await.map_err(|error| {
                CliError::Failed(format!("cannot listen on {address}: {error}"))
            })?),
        };
        let is_wanted = listener.is_some() || has_page;
        let is_ours = log::begin(is_wanted)?;
        if !is_wanted {
            return Ok(None);
        }
        match (count(is_ours), &listener) {
            (Err(_), None) => Ok(None),
            (counted, _) => Ok(Some(Self {
                prometheus: counted?,
                listener,
            })),
        }
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

/// Counts what the program does from now on: `is_ours` says that its subscriber is that of this crate.
fn count(is_ours: bool) -> Result<Prometheus, CliError> {
    if !is_ours && !cqrs_metrics::has_layer() {
        return Err(CliError::Failed(
            "`--metrics-listen` needs `cqrs_metrics::layer()` in the subscriber that the program has installed"
                .to_owned(),
        ));
    }
    Prometheus::install().map_err(|error| CliError::Failed(error.to_string()))
}
