use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{Shard, StoreError};
use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::stall::StallDetector;
use crate::thread::ignore_panic;
use crate::write::engine::Engine;
use crate::write::task::{Answers, Task};

/// The engine, owned by the writing thread or by a lease.
pub(crate) struct LeasedEngine(OwnedMutexGuard<Engine>);

/// A request for a lease.
pub(crate) struct LeaseRequest(oneshot::Sender<Result<Lease, StoreError>>);

/// The engine, in the transaction of a handler. On drop, the engine returns to the writing thread, which
/// rolls the transaction back.
pub(crate) struct Lease {
    // Dropped in this order: the thread reclaims the engine when it learns that the lease has ended.
    engine: LeasedEngine,
    back: oneshot::Sender<Box<dyn Task>>,
}

impl LeasedEngine {
    pub(crate) fn new(engine: Engine) -> Self {
        Self(Arc::new(Mutex::new(engine)).blocking_lock_owned())
    }

    pub(crate) fn engine(&mut self) -> &mut Engine {
        &mut self.0
    }

    /// Leases the engine, and waits until it is returned. Returns the answer to the task in the handler's
    /// transaction.
    pub(crate) fn lease(
        mut self,
        lease_request: LeaseRequest,
        progress: &StallDetector,
    ) -> (Self, Answers) {
        let LeaseRequest(lease_request) = lease_request;
        if lease_request.is_closed() {
            return (self, Answers::default());
        }
        if let Err(fault) = self.0.lease() {
            ignore_panic(|| drop(lease_request.send(Err(fault.into()))));
            return (self, Answers::default());
        }
        let home = OwnedMutexGuard::mutex(&self.0).clone();
        let (back, returned) = oneshot::channel();
        let lease = Lease { engine: self, back };
        // If the caller's future was dropped, so is the lease, and the engine returns at once.
        ignore_panic(|| drop(lease_request.send(Ok(lease))));
        // A handler may take as long as it needs. That is not a stall.
        progress.mark_idle();
        let task = returned.blocking_recv().ok();
        progress.mark_working();
        let mut engine = home.blocking_lock_owned();
        let answers = engine.reclaim(task);
        (Self(engine), answers)
    }
}

impl LeaseRequest {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<Lease, StoreError>>) {
        let (lease_request, lease) = oneshot::channel();
        (Self(lease_request), lease)
    }
}

impl Lease {
    pub(crate) fn conn(&self) -> &Connection {
        self.engine.0.conn()
    }

    pub(crate) fn checkpoint(&self, shard: &Shard) -> Result<Option<Position>, StoreError> {
        Ok(self.engine.0.checkpoint(shard)?)
    }

    /// Returns the engine, which carries out the task in the transaction and commits.
    pub(crate) fn complete(self, task: impl Task + 'static) {
        let Self { engine, back } = self;
        drop(engine);
        // If the thread has ended, the task is dropped, and its caller learns that the answer is lost.
        let _ = back.send(Box::new(task));
    }
}
