use std::thread;

use tokio::sync::mpsc::Receiver;

use super::task::{Batch, Task};
use crate::transaction::lease::LeaseRequest;

/// A batch takes no more once it has this many bytes.
const BYTES: usize = 8 << 20;

/// What the writing thread is asked for.
pub(crate) enum Request {
    /// To write something.
    Write(Box<dyn Task>),
    /// To lend its connection.
    Lease(LeaseRequest),
}

/// What the writing thread does next: the batch, then the lease.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) batch: Batch,
    pub(crate) lease_request: Option<LeaseRequest>,
    bytes: usize,
}

impl Work {
    /// Waits for a request, and takes those that are there or come while others get to run, up to
    /// one for a lease. It does not wait for more by the clock: a lone caller is served at once, and
    /// a crowd gathers by itself while the batch before is being synced.
    pub(crate) fn gather(requests: &mut Receiver<Request>, most: usize) -> Option<Self> {
        let mut work = Self::default();
        work.add(requests.blocking_recv()?);
        loop {
            let before = work.batch.len();
            while work.has_room(most) {
                let Ok(request) = requests.try_recv() else {
                    break;
                };
                work.add(request);
            }
            if work.lease_request.is_some() || work.batch.len() == before {
                return Some(work);
            }
            thread::yield_now();
        }
    }

    fn has_room(&self, most: usize) -> bool {
        self.lease_request.is_none() && self.batch.len() < most && self.bytes < BYTES
    }

    fn add(&mut self, request: Request) {
        match request {
            Request::Write(task) => {
                self.bytes += task.bytes();
                self.batch.push(task);
            }
            Request::Lease(lease_request) => self.lease_request = Some(lease_request),
        }
    }
}
