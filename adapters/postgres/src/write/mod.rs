//! Writing: one task with the only connection that appends, and a bounded queue in front of it.
//! Transactions of handlers append beside it: see `transaction::append`.

mod at_end;
mod batch;
pub(crate) mod checkpoint;
pub(crate) mod decide;
pub(crate) mod division;
pub(crate) mod encoded_statement;
mod engine;
mod flight;
mod lease_waits;
mod lock_waits;
mod log_end;
pub(crate) mod log_session;
pub(crate) mod models;
pub(crate) mod parking;
mod pipeline;
pub(crate) mod replacement;
pub(crate) mod request;
pub(crate) mod row_array;
pub(crate) mod rows;
mod sessions;
pub(crate) mod statements;
pub(crate) mod versions;
pub(crate) mod view_commit;
mod view_copy;
pub(crate) mod views;
mod watched_tags;

use cqrs_core::store::{Append, AppendError, Appended};
use cqrs_kit::batch::Batches;
use cqrs_kit::queue::{WriteQueue, lost_append, write_queue};

pub(crate) use engine::Engine;

use lease_waits::LeaseWaits;
use lock_waits::LockWaits;
use pipeline::Pipeline;
use request::Request;

use crate::Options;
use crate::pool::Pool;

/// The writing task. After this is dropped, the task writes the waiting requests, and ends.
pub(crate) struct Writer {
    queue: WriteQueue<Request>,
}

impl Writer {
    /// `transactions` has the connections for statements of handlers.
    pub(crate) fn start(engine: Engine, transactions: Pool, options: &Options) -> Self {
        let closed = "the PostgreSQL store's writing task has ended";
        let (queue, requests) = write_queue(options.writer.queue(), closed);
        let batches = Batches::new(requests, options.writer.max_batch());
        let lock_waits = LockWaits::new(transactions, options);
        let lease_waits = LeaseWaits::new(&options.writer);
        let drivers = engine.drivers();
        let pipeline = Pipeline::new(engine, batches, lock_waits, lease_waits);
        tokio::spawn(drivers.drive(pipeline.run()));
        Self { queue }
    }

    /// Refuses at once if the queue is full.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        self.queue.admit()
    }

    /// Does not wait for room in the queue: a caller can shed load only if it learns of it at once.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (request, answer) = Request::new(append)?;
        self.queue.push(request)?;
        // From here on, the append is carried out even if this future is dropped.
        let lost = "the PostgreSQL store's writing task ended while it had the append";
        answer.await.unwrap_or_else(|_| Err(lost_append(lost)))
    }
}
