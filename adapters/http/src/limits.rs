use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// The number of requests, or of watches, that may go on at a time.
pub(crate) struct Limit {
    permits: Arc<Semaphore>,
    /// What is limited, in the plural.
    of: &'static str,
}

impl Limit {
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
