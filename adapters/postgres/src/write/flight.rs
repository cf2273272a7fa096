use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cqrs_core::CommandId;
use cqrs_core::store::{BoxFuture, StoredCommand};
use futures_util::future::join;
use uuid::Uuid;

use super::batch::Batch;
use super::log_session::LogSession;
use super::rows::BatchRows;
use crate::fault::Fault;
use crate::row::Head;

/// A batch that was sent. Its answer has not been looked at.
pub(super) struct Flight {
    /// Number of requests.
    pub(super) len: usize,
    /// Another batch may be sent behind it. Not if it leaves requests for a later batch, since those come
    /// before the requests of any other.
    pub(super) is_followable: bool,
    landing: BoxFuture<'static, Landing>,
}

/// A batch with the server's answer.
pub(super) struct Landing {
    pub(super) batch: Batch,
    /// The head, if the batch was written.
    pub(super) after: Head,
    /// Whether the batch was written: `false` if another process moved the head.
    pub(super) written: Result<bool, Fault>,
    /// The records of the commands that were refused, as of the written batch.
    pub(super) processed: Result<HashMap<CommandId, StoredCommand>, Fault>,
}

impl Flight {
    /// Sends a batch that was decided on the head `before`, and does not wait for the answer.
    pub(super) fn send(session: Arc<LogSession>, batch: Batch, before: Head, after: Head) -> Self {
        let len = batch.requests.len();
        let is_followable = batch.requests.iter().all(|it| !it.is_deferred());
        let mut landing: BoxFuture<'static, Landing> = Box::pin(async move {
            let (written, processed) = {
                let mut rows = BatchRows::new(&before, after.last);
                batch.add_to(&mut rows);
                // Both are sent at once. The lookup sees what the append has written.
                let append = append(&session, &rows, &before);
                join(append, lookup(&session, batch.refused())).await
            };
            Landing {
                batch,
                after,
                written,
                processed,
            }
        });
        // The first poll sends. Whoever waits for the answer polls again, with a waker.
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(landed) = landing.as_mut().poll(&mut context) {
            landing = Box::pin(ready(landed));
        }
        Self {
            len,
            is_followable,
            landing,
        }
    }

    /// A batch that was answered, or that could not be sent.
    pub(super) fn landed(landing: Landing) -> Self {
        Self {
            len: landing.batch.requests.len(),
            is_followable: false,
            landing: Box::pin(ready(landing)),
        }
    }

    /// Waits for the answer. Loses nothing if the future is dropped.
    pub(super) async fn land(&mut self) -> Landing {
        self.landing.as_mut().await
    }
}

impl Landing {
    /// A batch that was not sent because of this fault.
    pub(super) fn failed(batch: Batch, head: Head, fault: Fault) -> Self {
        Self {
            batch,
            after: head,
            written: Err(fault),
            processed: Ok(HashMap::new()),
        }
    }
}

pub(super) async fn append(
    session: &LogSession,
    rows: &BatchRows<'_>,
    before: &Head,
) -> Result<bool, Fault> {
    if rows.is_empty() {
        return Ok(true);
    }
    session.append(rows, before).await
}

pub(super) async fn lookup(
    session: &LogSession,
    ids: Vec<Uuid>,
) -> Result<HashMap<CommandId, StoredCommand>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    session.commands(ids).await
}
