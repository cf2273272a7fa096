use cqrs_kit::batch::Batched;

use super::task::{Batch, Task};
use crate::transaction::lease::LeaseRequest;

/// A request to the writing thread.
pub(crate) enum Request {
    /// Carry out a task.
    Write(Box<dyn Task>),
    /// Lease the engine to a handler.
    Lease(LeaseRequest),
}

impl Batched for Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Write(task) => task.bytes(),
            Self::Lease(_) => 0,
        }
    }

    /// A handler's transaction is committed by itself, after the batch.
    fn ends_batch(&self) -> bool {
        matches!(self, Self::Lease(_))
    }
}

/// Splits a batch into the tasks of one transaction, and the lease that follows it.
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
