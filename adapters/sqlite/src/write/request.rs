use cqrs_kit::batch::Batched;

use super::task::{Batch, Task};
use crate::transaction::lease::LeaseRequest;

/// A request to the writing thread.
pub(crate) enum Request {
    /// Write something.
    Write(Box<dyn Task>),
    /// Lease the engine to a handler's transaction.
    Lease(LeaseRequest),
}

impl Batched for Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Write(task) => task.bytes(),
            Self::Lease(_) => 0,
        }
    }

    /// A lease begins a transaction of its own, after the batch.
    fn ends_batch(&self) -> bool {
        matches!(self, Self::Lease(_))
    }
}

/// The tasks of one transaction, and the lease that follows it.
pub(crate) fn split(requests: Vec<Request>) -> (Batch, Option<LeaseRequest>) {
    let mut batch = Batch::new();
    let mut lease_request = None;
    for request in requests {
        match request {
            Request::Write(task) => batch.push(task),
            Request::Lease(request) => lease_request = Some(request),
        }
    }
    (batch, lease_request)
}
