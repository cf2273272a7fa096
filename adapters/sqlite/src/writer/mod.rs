//! Writing: one thread with the only connection that writes, and a bounded queue in front of it.

mod append;
mod engine;
mod gather;
mod guard;
mod loan;
mod models;
mod task;
#[cfg(test)]
mod tests;
mod views;

use std::io;
use std::sync::Arc;

use cqrs_core::store::{
    Append, AppendError, Appended, ModelSchema, StoreError, ViewBatch, ViewCommitError,
};
use rusqlite::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::Options;
use crate::error::closed;
use crate::files::Files;
use crate::news::News;
use crate::thread::Thread;
use engine::Engine;
use gather::{Request, Work};
use loan::{Borrower, Lent};
use models::PrepareTask;

pub(crate) use append::AppendTask;
pub(crate) use guard::Guard;
pub(crate) use loan::Loan;
pub(crate) use models::check_models;
pub(crate) use task::Task;
pub(crate) use views::ViewTask;

/// The writing thread. When this is dropped it does what is waiting, and ends.
pub(crate) struct Writer {
    // Dropped before the thread is waited for: that it is gone is what ends the thread.
    queue: mpsc::Sender<Request>,
    _thread: Thread,
}

impl Writer {
    pub(crate) fn start(
        conn: Connection,
        guard: Guard,
        files: Arc<Files>,
        news: News,
        options: &Options,
    ) -> io::Result<Self> {
        let engine = Engine::new(conn, guard, files, options.window, news);
        let (queue, mut requests) = mpsc::channel(options.queue);
        let most = options.max_batch;
        let work = move || {
            let mut engine = Lent::new(engine);
            while let Some(Work {
                batch, borrower, ..
            }) = Work::gather(&mut requests, most)
            {
                if !batch.is_empty() {
                    engine.engine().write(batch);
                }
                if let Some(borrower) = borrower {
                    engine = engine.lend(borrower);
                }
            }
        };
        Ok(Self {
            queue,
            _thread: Thread::start("cqrs-sqlite-write", work)?,
        })
    }

    /// Does not wait for a place in the queue, so that overload shows at once.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (task, answer) = AppendTask::new(append)?;
        self.queue
            .try_send(Request::Write(Box::new(task)))
            .map_err(|error| match error {
                TrySendError::Full(_) => AppendError::Overloaded {
                    waiting: self.queue.max_capacity() - self.queue.capacity(),
                },
                TrySendError::Closed(_) => AppendError::Unavailable {
                    reason: closed().to_string().into(),
                },
            })?;
        appended(answer).await
    }

    pub(crate) async fn commit(&self, batch: ViewBatch) -> Result<(), ViewCommitError> {
        let (task, answer) = ViewTask::new(batch)?;
        self.send(task).await?;
        committed(answer).await
    }

    pub(crate) async fn prepare(&self, models: Vec<ModelSchema>) -> Result<(), StoreError> {
        let (task, answer) = PrepareTask::new(models);
        self.send(task).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The connection in a transaction, once everything is done that was asked for before. What is
    /// asked for from then on waits until it is back. Waits for a place in the queue, too: a
    /// [`StoreError`] does not say that to try again later will do.
    pub(crate) async fn begin(&self) -> Result<Loan, StoreError> {
        let (borrower, loan) = Borrower::new();
        let sent = self.queue.send(Request::Lend(borrower)).await;
        sent.map_err(|_| closed())?;
        loan.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Waits for a place in the queue.
    async fn send(&self, task: impl Task + 'static) -> Result<(), StoreError> {
        let sent = self.queue.send(Request::Write(Box::new(task))).await;
        sent.map_err(|_| closed())
    }
}

/// The answer to an append that the writing thread has.
pub(crate) async fn appended(
    answer: oneshot::Receiver<Result<Appended, AppendError>>,
) -> Result<Appended, AppendError> {
    let lost = "the SQLite store's writing thread ended while it had the append";
    answer.await.unwrap_or_else(|_| {
        Err(AppendError::Indeterminate {
            reason: lost.into(),
        })
    })
}

/// The answer to a commit that the writing thread has.
pub(crate) async fn committed(
    answer: oneshot::Receiver<Result<(), ViewCommitError>>,
) -> Result<(), ViewCommitError> {
    answer.await.unwrap_or_else(|_| Err(closed().into()))
}
