use std::time::{Duration, Instant};

use cqrs_core::Position;
use cqrs_core::store::{Append, AppendError, Appended, StoreError, StoredCommand};
use cqrs_kit::batch::Batched;
use cqrs_kit::prepared::Prepared;
use tokio::sync::oneshot;

use crate::fault::Fault;

/// An append on its way through the writing task.
pub(crate) struct Request {
    pub(crate) append: Prepared,
    pub(crate) disposition: Disposition,
    /// It was sent to the database without an answer, so it may have been written.
    pub(crate) is_sent: bool,
    /// It was sent at least once.
    pub(crate) was_sent: bool,
    queued: Instant,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The decision about a request.
pub(crate) enum Disposition {
    /// Write it, at these positions.
    Write(Appended),
    /// Do not write it.
    Refuse(AppendError),
    /// Decide it in a later round.
    Later,
}

impl Batched for Request {
    fn bytes(&self) -> usize {
        self.append.bytes
    }
}

impl Request {
    pub(crate) fn new(
        append: Append,
    ) -> Result<(Self, oneshot::Receiver<Result<Appended, AppendError>>), AppendError> {
        let (reply, answer) = oneshot::channel();
        let request = Self {
            append: Prepared::new(append)?,
            disposition: Disposition::Later,
            is_sent: false,
            was_sent: false,
            queued: Instant::now(),
            reply,
        };
        Ok((request, answer))
    }

    pub(crate) fn is_written(&self) -> bool {
        matches!(self.disposition, Disposition::Write(_))
    }

    /// Whether it has waited longer for a database that is unreachable than `retry_timeout`. Once it
    /// was sent, the time for an answer is added.
    pub(crate) fn is_overdue(&self, retry_timeout: Duration, answer: Duration) -> bool {
        let longest = if self.was_sent {
            retry_timeout.saturating_add(answer)
        } else {
            retry_timeout
        };
        self.queued.elapsed() >= longest
    }

    /// Answers the caller. A caller that is gone changes nothing.
    pub(crate) fn answer(self, answer: Result<Appended, AppendError>) {
        let _ = self.reply.send(answer);
    }

    /// Answers with what is recorded under its command's id: as a repetition, even if it was itself
    /// sent without an answer, because an earlier sending, decided on another state, may have been
    /// written first.
    pub(crate) fn answer_stored(self, stored: StoredCommand) {
        let answer = self.append.replay(stored);
        self.answer(answer);
    }

    /// Answers that it was not written, or, if that is not certain, `Indeterminate`.
    pub(crate) fn fail(self, error: &AppendError) {
        let error = match error {
            AppendError::Store(StoreError::Unavailable { reason }) if self.is_sent => {
                AppendError::Indeterminate {
                    reason: reason.clone(),
                }
            }
            // The error is the reason why it could not be looked up.
            error if self.is_sent => AppendError::Indeterminate {
                reason: error.to_string().into(),
            },
            error => error.clone(),
        };
        self.answer(Err(error));
    }
}

/// See [`Prepared::place`].
pub(crate) fn place(append: &mut Prepared, head: Position, last: i64) -> Result<Appended, Fault> {
    let placed = append.place(head, last);
    placed.map_err(|error| Fault::corrupt(error.to_string()))
}
