//! Writing: one task with the only connection that appends, and a bounded queue in front of it.

pub(crate) mod checkpoint;
pub(crate) mod columns;
pub(crate) mod decide;
mod engine;
pub(crate) mod log_session;
pub(crate) mod models;
pub(crate) mod reconnect_backoff;
pub(crate) mod request;
pub(crate) mod views;

use std::sync::Arc;

use cqrs_core::store::{Append, AppendError, Appended};
use cqrs_kit::batch::drain_batch;
use cqrs_kit::queue::{WriteQueue, lost_append, write_queue};

use crate::Options;
use crate::link::Link;
use crate::row::Head;
use crate::sql::Sql;
use crate::tail::LogTail;
use engine::Engine;
use request::Request;

/// The writing task. Once this is dropped, the task writes what is waiting, and ends.
pub(crate) struct Writer {
    queue: WriteQueue<Request>,
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
        let closed = "the PostgreSQL store's writing task has ended";
        let (queue, mut requests) = write_queue(options.writer.queue(), closed);
        let max_batch = options.writer.max_batch();
        tokio::spawn(async move {
            while let Some(batch) = drain_batch(&mut requests, max_batch).await {
                engine.write(batch).await;
            }
        });
        Self { queue }
    }

    /// Whether the queue has room.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        self.queue.admit()
    }

    /// Does not wait for room in the queue, so that callers notice overload at once.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (request, answer) = Request::new(append)?;
        self.queue.push(request)?;
        let lost = "the PostgreSQL store's writing task ended while it had the append";
        answer.await.unwrap_or_else(|_| Err(lost_append(lost)))
    }
}
