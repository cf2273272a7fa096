use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;
use crate::rate::RateLimit;

/// The limits of a request.
pub(crate) struct Limits {
    pub(crate) max_body: usize,
    pub(crate) timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) max_requests: usize,
    pub(crate) max_watches: usize,
    /// `None` for no limit.
    pub(crate) max_rate: Option<RateLimit>,
}

/// The number of requests, or of watches, that may go on at a time.
pub(crate) struct Permits {
    permits: Arc<Semaphore>,
    /// What is limited, in the plural.
    of: &'static str,
}

impl Permits {
    pub(crate) fn new(count: usize, of: &'static str) -> Self {
        let permits = Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { permits, of }
    }

    /// Counts one more, until the permit is dropped. It never waits: a queue here would only hide the overload.
    pub(crate) fn take(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = self.permits.clone().try_acquire_owned();
        permit.map_err(|_| {
            let detail = format!("the server has too many {}", self.of);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1)
        })
    }
}
