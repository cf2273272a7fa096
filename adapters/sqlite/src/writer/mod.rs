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
use crate::error::{closed, stalled};
use crate::files::Files;
use crate::news::News;
use crate::patience::{Patience, Stalled};
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
    patience: Patience,
    _thread: Thread,
}

impl Writer {
    pub(crate) fn start(
        conn: Connection,
        guard: Guard,
        files: Arc<Files>,
        news: News,
        patience: Patience,
        options: &Options,
    ) -> io::Result<Self> {
        let engine = Engine::new(conn, guard, files, options.window, news);
        let (queue, mut requests) = mpsc::channel(options.queue);
        let most = options.max_batch;
        let progress = patience.clone();
        let work = move || {
            let mut engine = Lent::new(engine);
            while let Some(Work {
                batch, borrower, ..
            }) = Work::gather(&mut requests, most)
            {
                progress.works();
                if !batch.is_empty() {
                    engine.engine().write(batch);
                    progress.works();
                }
                if let Some(borrower) = borrower {
                    engine = engine.lend(borrower, &progress);
                }
                progress.rests();
            }
        };
        Ok(Self {
            queue,
            patience,
            _thread: Thread::start("cqrs-sqlite-write", work)?,
        })
    }

    /// Whether the queue has room.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        match self.queue.capacity() {
            0 => Err(self.overloaded()),
            _ => Ok(()),
        }
    }

    fn overloaded(&self) -> AppendError {
        AppendError::Overloaded {
            waiting: self.queue.max_capacity() - self.queue.capacity(),
        }
    }

    /// Does not wait for a place in the queue, so that overload shows at once.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (task, answer) = AppendTask::new(append)?;
        self.queue
            .try_send(Request::Write(Box::new(task)))
            .map_err(|error| match error {
                TrySendError::Full(_) => self.overloaded(),
                TrySendError::Closed(_) => AppendError::Unavailable {
                    reason: closed().to_string().into(),
                },
            })?;
        self.appended(answer).await
    }

    /// The answer to an append that the writing thread has.
    pub(crate) async fn appended(
        &self,
        answer: oneshot::Receiver<Result<Appended, AppendError>>,
    ) -> Result<Appended, AppendError> {
        let reason = match self.patience.wait(answer).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => {
                "the SQLite store's writing thread ended while it had the append".to_owned()
            }
            Err(Stalled(waited)) => format!(
                "SQLite has not answered for {waited:?}: once the database answers, send the same \
                 command id again"
            ),
        };
        Err(AppendError::Indeterminate {
            reason: reason.into(),
        })
    }

    /// The answer to a commit that the writing thread has.
    pub(crate) async fn committed(
        &self,
        answer: oneshot::Receiver<Result<(), ViewCommitError>>,
    ) -> Result<(), ViewCommitError> {
        let answer = self.patience.wait(answer).await.map_err(stalled)?;
        answer.unwrap_or_else(|_| Err(closed().into()))
    }

    pub(crate) async fn commit(&self, batch: ViewBatch) -> Result<(), ViewCommitError> {
        let (task, answer) = ViewTask::new(batch)?;
        self.send(task).await?;
        self.committed(answer).await
    }

    pub(crate) async fn prepare(&self, models: Vec<ModelSchema>) -> Result<(), StoreError> {
        let (task, answer) = PrepareTask::new(models);
        self.send(task).await?;
        let answer = self.patience.wait(answer).await.map_err(stalled)?;
        answer.unwrap_or_else(|_| Err(closed()))
    }

    /// The connection in a transaction, once everything is done that was asked for before. What is
    /// asked for from then on waits until it is back. Waits for a place in the queue, too: a
    /// [`StoreError`] does not say that to try again later will do.
    pub(crate) async fn begin(&self) -> Result<Loan, StoreError> {
        let (borrower, loan) = Borrower::new();
        self.request(Request::Lend(borrower)).await?;
        let loan = self.patience.wait(loan).await.map_err(stalled)?;
        loan.unwrap_or_else(|_| Err(closed()))
    }

    async fn send(&self, task: impl Task + 'static) -> Result<(), StoreError> {
        self.request(Request::Write(Box::new(task))).await
    }

    /// Waits for a place in the queue.
    async fn request(&self, request: Request) -> Result<(), StoreError> {
        let sent = self.patience.wait(self.queue.send(request)).await;
        sent.map_err(stalled)?.map_err(|_| closed())
    }
}
