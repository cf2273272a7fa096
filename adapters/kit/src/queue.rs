//! A bounded queue in front of one writer.

use cqrs_core::store::{AppendError, StoreError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The callers' end of a queue in front of one writer. After it is dropped, the writer receives the
/// waiting requests, and then the end of the queue.
#[derive(Debug)]
pub struct WriteQueue<T> {
    requests: Sender<T>,
    closed: &'static str,
}

/// Creates a queue with room for `capacity` requests. `closed` is the reason in the errors of callers
/// after the writer has ended.
///
/// # Panics
/// If `capacity` is 0, or more than a channel can hold. See
/// [`WriterOptions::queue`](crate::options::WriterOptions::queue).
pub fn write_queue<T>(capacity: usize, closed: &'static str) -> (WriteQueue<T>, Receiver<T>) {
    let (requests, receiver) = mpsc::channel(capacity);
    (WriteQueue { requests, closed }, receiver)
}

impl<T> WriteQueue<T> {
    /// Checks whether the queue has room at this moment.
    ///
    /// # Errors
    /// [`AppendError::Overloaded`].
    pub fn admit(&self) -> Result<(), AppendError> {
        // No place is reserved, so a push may still be refused. This spares a command its decision
        // when the append would have no chance.
        match self.requests.capacity() {
            0 => Err(self.overloaded()),
            _ => Ok(()),
        }
    }

    /// Adds a request without waiting for room: a caller can shed load only if it learns of it at once.
    ///
    /// # Errors
    /// [`AppendError::Overloaded`] if the queue is full, [`StoreError::Unavailable`] if the writer
    /// has ended.
    pub fn push(&self, request: T) -> Result<(), AppendError> {
        self.requests
            .try_send(request)
            .map_err(|error| match error {
                TrySendError::Full(_) => self.overloaded(),
                TrySendError::Closed(_) => StoreError::Unavailable {
                    reason: self.closed.into(),
                }
                .into(),
            })
    }

    /// Adds a request, and waits for room. For view commits and transactions of handlers, whose error
    /// has no case for overload.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the writer has ended.
    pub async fn push_when_free(&self, request: T) -> Result<(), StoreError> {
        let pushed = self.requests.send(request).await;
        pushed.map_err(|_| self.closed())
    }

    /// The error of a request without an answer, because the writer has ended. For an append, which may
    /// have been written, use [`lost_append`].
    pub fn closed(&self) -> StoreError {
        StoreError::Unavailable {
            reason: self.closed.into(),
        }
    }

    fn overloaded(&self) -> AppendError {
        AppendError::Overloaded {
            waiting: self.requests.max_capacity() - self.requests.capacity(),
        }
    }
}

/// The error of an append without an answer, because the writer has ended or is stuck. The append may
/// have been written, or may still be. Any other error would claim more than is known: the caller
/// sends the command again under the same id, and gets the first result or a new one (I6).
pub fn lost_append(reason: impl Into<std::sync::Arc<str>>) -> AppendError {
    AppendError::Indeterminate {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_takes_more_when_it_has_room() {
        let (queue, mut writer) = write_queue(2, "ended");
        queue.push(1).unwrap();
        queue.admit().unwrap();
        queue.push(2).unwrap();
        for full in [queue.admit(), queue.push(3)] {
            assert!(matches!(full, Err(AppendError::Overloaded { waiting: 2 })));
        }
        assert_eq!(writer.recv().await, Some(1));
        queue.push(3).unwrap();
    }

    #[tokio::test]
    async fn what_is_waiting_is_received_after_the_last_caller_is_gone() {
        let (queue, mut writer) = write_queue(2, "ended");
        queue.push(1).unwrap();
        drop(queue);
        assert_eq!(writer.recv().await, Some(1));
        assert_eq!(writer.recv().await, None);
    }

    #[tokio::test]
    async fn a_writer_that_has_ended_is_reported_as_unavailable() {
        let (queue, writer) = write_queue(2, "the writer has ended");
        drop(writer);
        let refused = queue.push(1).unwrap_err();
        assert!(
            matches!(refused, AppendError::Store(StoreError::Unavailable { .. })),
            "{refused}"
        );
        let refused = queue.push_when_free(1).await.unwrap_err();
        assert!(
            refused.to_string().ends_with("the writer has ended"),
            "{refused}"
        );
    }
}
