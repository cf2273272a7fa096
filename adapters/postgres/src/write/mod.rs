//! Writing: one task with the only connection that appends, and a bounded queue in front of it.

pub(crate) mod backoff;
mod batch;
pub(crate) mod columns;
pub(crate) mod decide;
mod engine;
pub(crate) mod models;
pub(crate) mod request;
pub(crate) mod session;

use std::sync::Arc;

use cqrs_core::store::{Append, AppendError, Appended};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

use crate::Options;
use crate::link::Link;
use crate::row::Head;
use crate::sql::Sql;
use crate::tail::LogTail;
use engine::Engine;
use request::Request;

/// The writing task. When this is dropped it does what is waiting, and ends.
pub(crate) struct Writer {
    queue: mpsc::Sender<Request>,
}

impl Writer {
    /// Starts at this head.
    pub(crate) fn start(
        link: Link,
        sql: Arc<Sql>,
        head: Head,
        tail: LogTail,
        options: &Options,
    ) -> Self {
        let mut engine = Engine::new(link, sql, head, tail, options);
        let (queue, mut requests) = mpsc::channel(options.queue.min(Semaphore::MAX_PERMITS));
        let most = options.max_batch;
        tokio::spawn(async move {
            while let Some(batch) = batch::drain(&mut requests, most).await {
                engine.write(batch).await;
            }
        });
        Self { queue }
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
        let (request, answer) = Request::new(append)?;
        self.queue.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => self.overloaded(),
            TrySendError::Closed(_) => AppendError::Unavailable {
                reason: "the PostgreSQL store's writing task has ended".into(),
            },
        })?;
        let lost = "the PostgreSQL store's writing task ended while it had the append";
        answer.await.unwrap_or_else(|_| {
            Err(AppendError::Indeterminate {
                reason: lost.into(),
            })
        })
    }
}
