use cqrs_core::Dispatcher;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{describe, observe};

/// Upper bounds of the buckets of times, in seconds.
const SECONDS: [f64; 14] = [
    0.0001, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Upper bounds of the buckets of numbers of events.
const EVENTS: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];

/// The metrics of this process, for Prometheus. Clones share them.
///
/// They grow with the number of messages, events, projections and reactions of the program, and with nothing that
/// callers choose.
#[derive(Clone)]
pub struct Prometheus(PrometheusHandle);

/// The metrics were not installed.
#[derive(Debug, thiserror::Error)]
#[error("the metrics are not installed: {0}")]
pub struct NotInstalled(#[source] BuildError);

impl Prometheus {
    /// Collects all metrics of the process: also those that other libraries give to the facade `metrics`.
    ///
    /// # Errors
    /// If another exporter was installed before. With that one, use [`layer`](crate::layer()) and [`observe`].
    pub fn install() -> Result<Self, NotInstalled> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|it| {
                it.set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), &EVENTS)
            })
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(NotInstalled)?;
        describe();
        Ok(Self(handle))
    }

    /// Sums up what was measured since the last time. To be called at an interval of some seconds where it may be that nobody
    /// calls [`render`](Self::render): until then, each measurement takes memory.
    pub fn sum_up(&self) {
        self.0.run_upkeep();
    }

    /// The metrics in the text format of Prometheus, with those of the dispatcher as they are now. The content type is
    /// [`CONTENT_TYPE`](Self::CONTENT_TYPE).
    pub fn render(&self, app: &Dispatcher) -> String {
        observe(app);
        self.sum_up();
        self.0.render()
    }

    /// The content type of the text.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
}
