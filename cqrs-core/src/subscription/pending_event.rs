use std::time::Duration;

use tokio::time::Instant;

use crate::Timestamp;
use crate::store::Position;

/// An event that waits to be handled, or is being handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PendingEvent {
    /// The position up to which everything was done when it began to wait.
    after: Position,
    began: Instant,
    since: Timestamp,
    /// Time after which it has waited for too long.
    patience: Duration,
}

impl PendingEvent {
    pub(super) fn new(after: Position, patience: Duration) -> Self {
        Self {
            after,
            began: Instant::now(),
            since: Timestamp::now(),
            patience,
        }
    }

    /// The event that is pending after a position: this one, if nothing was done since.
    pub(super) fn at(self, after: Position) -> Self {
        if self.after == after {
            self
        } else {
            Self::new(after, self.patience)
        }
    }

    /// Since when it has waited, if that is too long.
    pub(super) fn stuck_since(self) -> Option<Timestamp> {
        (self.began.elapsed() > self.patience).then_some(self.since)
    }
}
