use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cqrs_core::CommandId;
use cqrs_core::store::{BoxFuture, StoredCommand};
use futures_util::future::join3;

use super::batch::Batch;
use super::log_session::LogSession;
use super::request::Request;
use super::rows::BatchRows;
use super::statements::BatchOutcome;
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
    /// Unless `is_durable`, that head has events of another process that a crash may take back, and no
    /// request is refused because of them before they are durable (I7, I10).
    pub(super) fn send(
        session: Arc<LogSession>,
        mut batch: Batch,
        before: Head,
        after: Head,
        is_durable: bool,
    ) -> Self {
        let len = batch.requests.len();
        let is_followable = batch.requests.iter().all(|it| !it.is_deferred());
        let mut landing: BoxFuture<'static, Landing> = Box::pin(async move {
            let (outcome, processed) = {
                let mut rows = BatchRows::new(&before, after.last);
                batch.add_to(&mut rows);
                // Both are sent at once. The lookup sees what the append has written. What few batches need is
                // boxed, since the future of every batch is copied to the heap.
                let append = append(&session, &rows, &batch, &before, false);
                let has_refusals = batch.requests.iter().any(Request::is_refused);
                let flush = async {
                    if is_durable || !has_refusals {
                        return Ok(());
                    }
                    Ok(Box::pin(session.client().flush()).await?)
                };
                let lookup = lookup(&session, batch.refused());
                let (outcome, flushed, processed) = join3(append, flush, lookup).await;
                (outcome, flushed.and(processed))
            };
            let written = outcome.and_then(|outcome| is_written(outcome, &mut batch));
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
    /// With the records of the refused commands, which are looked up after the append.
    pub(super) async fn with_records(
        session: &LogSession,
        batch: Batch,
        after: Head,
        written: Result<bool, Fault>,
    ) -> Self {
        let processed = lookup(session, batch.refused()).await;
        Self {
            batch,
            after,
            written,
            processed,
        }
    }

    /// A batch of which nothing was written, or that has this fault.
    pub(super) fn not_written(batch: Batch, head: Head, written: Result<bool, Fault>) -> Self {
        Self {
            batch,
            after: head,
            written,
            processed: Ok(HashMap::new()),
        }
    }
}

/// Writes the rows of the batch, and executes the statements of its handlers. With `is_locked`, in a
/// transaction that has locked the head, which this commits.
pub(super) async fn append(
    session: &LogSession,
    rows: &BatchRows<'_>,
    batch: &Batch,
    before: &Head,
    is_locked: bool,
) -> Result<BatchOutcome, Fault> {
    if batch.has_statements() {
        let (requests, timeout) = (&batch.requests, batch.lock_timeout());
        let appended = session.append_with_statements(rows, requests, before, is_locked, timeout);
        return Box::pin(appended).await;
    }
    if !rows.is_empty() && !session.append(rows, before).await? {
        return Ok(BatchOutcome::Overtaken);
    }
    if is_locked {
        session.commit().await?;
    }
    Ok(BatchOutcome::Written)
}

/// Whether the batch was written. A failed statement is a fault of the batch.
pub(super) fn is_written(outcome: BatchOutcome, batch: &mut Batch) -> Result<bool, Fault> {
    match outcome {
        BatchOutcome::Written => Ok(true),
        BatchOutcome::Overtaken => Ok(false),
        BatchOutcome::Failed(failed) => Err(batch.mark_failed(failed)),
    }
}

pub(super) async fn lookup(
    session: &LogSession,
    ids: Vec<CommandId>,
) -> Result<HashMap<CommandId, StoredCommand>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Box::pin(session.commands(ids)).await
}
