//! Writing: one thread with the only connection that writes, and a bounded queue in front of it.

mod append;
mod batch;
pub(crate) mod engine;
mod models;
pub(crate) mod task;
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
use crate::stall::{StallDetector, Stalled};
use crate::tail::LogTail;
use crate::thread::Thread;
use crate::transaction::guard::Guard;
use crate::transaction::lease::{Lease, LeaseRequest, LeasedEngine};
use batch::{Request, Work};
use engine::Engine;
use models::PrepareTask;

pub(crate) use append::AppendTask;
pub(crate) use models::check_models;
pub(crate) use task::Task;
pub(crate) use views::ViewTask;

/// The writing thread. When this is dropped it does what is waiting, and ends.
pub(crate) struct Writer {
    // Dropped before the thread is waited for: that it is gone is what ends the thread.
    queue: mpsc::Sender<Request>,
    stall: StallDetector,
    _thread: Thread,
}

impl Writer {
    pub(crate) fn start(
        conn: Connection,
        guard: Guard,
        files: Arc<Files>,
        tail: LogTail,
        stall: StallDetector,
        options: &Options,
    ) -> io::Result<Self> {
        let engine = Engine::new(conn, guard, files, options.window, tail);
        let (queue, mut requests) = mpsc::channel(options.queue);
        let most = options.max_batch;
        let progress = stall.clone();
        let work = move || {
            let mut engine = LeasedEngine::new(engine);
            while let Some(Work {
                batch,
                lease_request,
                ..
            }) = Work::gather(&mut requests, most)
            {
                progress.mark_working();
                if !batch.is_empty() {
                    engine.engine().write(batch);
                    progress.mark_working();
                }
                if let Some(lease_request) = lease_request {
                    engine = engine.lease(lease_request, &progress);
                }
                progress.mark_idle();
            }
        };
        Ok(Self {
            queue,
            stall,
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
        let reason = match self.stall.wait(answer).await {
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
        let answer = self.stall.wait(answer).await.map_err(stalled)?;
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
        let answer = self.stall.wait(answer).await.map_err(stalled)?;
        answer.unwrap_or_else(|_| Err(closed()))
    }

    /// The connection in a transaction, once everything is done that was asked for before. What is
    /// asked for from then on waits until it is back. Waits for a place in the queue, too: a
    /// [`StoreError`] does not say that to try again later will do.
    pub(crate) async fn begin(&self) -> Result<Lease, StoreError> {
        let (lease_request, lease) = LeaseRequest::new();
        self.request(Request::Lease(lease_request)).await?;
        let lease = self.stall.wait(lease).await.map_err(stalled)?;
        lease.unwrap_or_else(|_| Err(closed()))
    }

    async fn send(&self, task: impl Task + 'static) -> Result<(), StoreError> {
        self.request(Request::Write(Box::new(task))).await
    }

    /// Waits for a place in the queue.
    async fn request(&self, request: Request) -> Result<(), StoreError> {
        let sent = self.stall.wait(self.queue.send(request)).await;
        sent.map_err(stalled)?.map_err(|_| closed())
    }
}
