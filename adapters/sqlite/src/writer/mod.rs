//! Writing: one thread with the only connection that writes, and a bounded queue in front of it.

mod append;
mod engine;
mod gather;
mod models;
mod task;
#[cfg(test)]
mod tests;
mod views;

use std::io;

use cqrs_core::Position;
use cqrs_core::store::{
    Append, AppendError, Appended, ModelSchema, StoreError, ViewBatch, ViewCommitError,
};
use rusqlite::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use crate::Options;
use crate::error::closed;
use crate::thread::Thread;
use append::AppendTask;
use engine::Engine;
use models::PrepareTask;
use task::Task;
use views::ViewTask;

/// The writing thread. When this is dropped it does what is waiting, and ends.
pub(crate) struct Writer {
    // Dropped before the thread is waited for: that it is gone is what ends the thread.
    queue: mpsc::Sender<Box<dyn Task>>,
    _thread: Thread,
}

impl Writer {
    pub(crate) fn start(
        conn: Connection,
        head: Position,
        known: watch::Sender<Position>,
        options: &Options,
    ) -> io::Result<Self> {
        let mut engine = Engine::new(conn, head, options.window, known);
        let (queue, mut tasks) = mpsc::channel(options.queue);
        let most = options.max_batch;
        let work = move || {
            while let Some(batch) = gather::batch(&mut tasks, most) {
                engine.write(batch);
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
            .try_send(Box::new(task))
            .map_err(|error| match error {
                TrySendError::Full(_) => AppendError::Overloaded {
                    waiting: self.queue.max_capacity() - self.queue.capacity(),
                },
                TrySendError::Closed(_) => AppendError::Unavailable {
                    reason: closed().to_string().into(),
                },
            })?;
        let lost = "the SQLite store's writing thread ended while it had the append";
        answer.await.unwrap_or_else(|_| {
            Err(AppendError::Indeterminate {
                reason: lost.into(),
            })
        })
    }

    pub(crate) async fn commit(&self, batch: ViewBatch) -> Result<(), ViewCommitError> {
        let (task, answer) = ViewTask::new(batch)?;
        self.queue
            .send(Box::new(task))
            .await
            .map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed().into()))
    }

    pub(crate) async fn prepare(&self, models: Vec<ModelSchema>) -> Result<(), StoreError> {
        let (task, answer) = PrepareTask::new(models);
        self.queue
            .send(Box::new(task))
            .await
            .map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }
}
