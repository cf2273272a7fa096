use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::StoreError;
use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::engine::Engine;
use super::task::Task;
use crate::patience::Patience;
use crate::thread::shielded;

/// The engine, as the writing thread has it, or a loan.
pub(crate) struct Lent(OwnedMutexGuard<Engine>);

/// Who waits for a loan.
pub(crate) struct Borrower(oneshot::Sender<Result<Loan, StoreError>>);

/// The engine in a transaction that a handler works in. Dropped, it goes back to the writing
/// thread, which rolls the transaction back.
pub(crate) struct Loan {
    // Dropped in this order: the thread takes the engine when it hears that the loan has ended.
    engine: Lent,
    back: oneshot::Sender<Box<dyn Task>>,
}

impl Lent {
    pub(crate) fn new(engine: Engine) -> Self {
        Self(Arc::new(Mutex::new(engine)).blocking_lock_owned())
    }

    pub(crate) fn engine(&mut self) -> &mut Engine {
        &mut self.0
    }

    /// Lends the engine, and waits until it is back.
    pub(crate) fn lend(mut self, borrower: Borrower, progress: &Patience) -> Self {
        let Borrower(borrower) = borrower;
        if borrower.is_closed() {
            return self;
        }
        if let Err(fault) = self.0.lend() {
            shielded(|| drop(borrower.send(Err(fault.into()))));
            return self;
        }
        let home = OwnedMutexGuard::mutex(&self.0).clone();
        let (back, returned) = oneshot::channel();
        let loan = Loan { engine: self, back };
        // If the borrower is gone, the loan is dropped, and so comes back at once.
        shielded(|| drop(borrower.send(Ok(loan))));
        // A handler has all the time that it may take.
        progress.rests();
        let task = returned.blocking_recv().ok();
        progress.works();
        let mut engine = home.blocking_lock_owned();
        engine.take_back(task);
        Self(engine)
    }
}

impl Borrower {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<Loan, StoreError>>) {
        let (borrower, loan) = oneshot::channel();
        (Self(borrower), loan)
    }
}

impl Loan {
    pub(crate) fn conn(&self) -> &Connection {
        self.engine.0.conn()
    }

    pub(crate) fn checkpoint(&self, subscription: &str) -> Result<Option<Position>, StoreError> {
        Ok(self.engine.0.checkpoint(subscription)?)
    }

    /// Gives the engine back, to carry out the task in the transaction and to commit it.
    pub(crate) fn complete(self, task: impl Task + 'static) {
        let Self { engine, back } = self;
        drop(engine);
        // If the thread is gone, so is the task, and its caller learns that from the lost answer.
        let _ = back.send(Box::new(task));
    }
}
