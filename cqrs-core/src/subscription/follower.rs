use std::sync::Arc;

use tracing::Span;

use super::{HeldCheckpoint, NewerWork, Phase, Upkeep};
use crate::error::Error;
use crate::store::{BoxFuture, Position, Recorded, StoreError, ViewCommitError};

/// Handles the events that a [`Worker`](super::Worker) delivers. Implemented by projections,
/// reactions and process managers.
pub(crate) trait Follower: Send + Sync {
    /// Whether the follower ends in this phase of the dispatcher, once everything up to `at` is
    /// done.
    fn ends(&self, phase: Phase, at: Position) -> bool;

    /// Starts over at a checkpoint that was read from the store, and discards all data in memory:
    /// another process may have moved the checkpoint. `is_first` if no event was handled before, and
    /// some are to be handled now.
    fn restart(&self, _is_first: bool) {}

    /// The span in which a page of events is handled.
    fn span(&self, _subscription: &str, _events: &[Arc<Recorded>]) -> Span {
        Span::none()
    }

    /// Its work besides that, if it has any.
    fn upkeep(&self) -> Option<&dyn Upkeep> {
        None
    }

    /// Handles a page of events in order, up to the first one that fails, and commits the results
    /// with the checkpoint. Without results, the checkpoint may stay where it is. If the page
    /// [has more](SubscriptionPage::has_more) behind it and nothing failed, the commit may only have
    /// [begun](HeldCheckpoint::begin_commit).
    fn handle<'a>(
        &'a self,
        page: SubscriptionPage<'a>,
        checkpoint: &'a mut HeldCheckpoint,
    ) -> BoxFuture<'a, Result<PageOutcome, Interruption>>;
}

/// The events of one subscription between two positions.
#[derive(Clone, Copy)]
pub(crate) struct SubscriptionPage<'a> {
    /// The position up to which everything was done before.
    pub(crate) from: Position,
    /// The position up to which the log was read.
    pub(crate) to: Position,
    pub(crate) events: &'a [Arc<Recorded>],
    /// Whether more of the log is known to follow, so that the next page can be folded while the results of
    /// this one are written.
    pub(crate) has_more: bool,
}

/// The result of handling a page.
pub(crate) struct PageOutcome {
    /// The position up to which everything is done.
    pub(crate) to: Position,
    /// The next event, if it failed.
    pub(crate) failure: Option<EventFailure>,
}

/// A page with an event that failed.
pub(crate) struct FailedEvent {
    /// The event's place in the page.
    pub(crate) place: usize,
    pub(crate) failure: EventFailure,
}

/// The failure of an event.
pub(crate) struct EventFailure {
    pub(crate) event: Arc<Recorded>,
    /// The id whose handling of the event failed, if the event may belong to several.
    pub(crate) id: Option<String>,
    /// The error, with the handler and the event.
    pub(crate) error: String,
    /// Whether this program is too old for the event, or for another one that its handler needs.
    pub(crate) is_outdated: bool,
}

/// The reason that a follower stops. Except after a shutdown, it starts again from its checkpoint.
pub(crate) enum Interruption {
    /// Another process moved the checkpoint, or the database aborted the transaction in favor of
    /// another one.
    CheckpointMoved,
    /// The store failed, or the worker itself.
    Failed(String),
    /// The next event failed.
    EventFailed(EventFailure),
    /// An effect of an event that was handled needs a newer program.
    Outdated(NewerWork),
    /// A key was parked, whose events are to be left out from now on.
    KeyParked,
    /// The shard is to be given up, or another process has claimed it.
    LeaseEnded,
    /// The dispatcher is shut down, and this follower has finished.
    ShutDown,
}

impl SubscriptionPage<'_> {
    /// The rest of the page after its first `count` events.
    pub(crate) fn after(&self, count: usize) -> Self {
        let (done, rest) = self.events.split_at(count);
        Self {
            from: done.last().map_or(self.from, |event| event.position),
            events: rest,
            ..*self
        }
    }

    /// The outcome if all of the page was handled, or everything before the event that failed.
    pub(crate) fn outcome(&self, failed: Option<FailedEvent>) -> PageOutcome {
        let Some(FailedEvent { place, failure }) = failed else {
            return PageOutcome {
                to: self.to,
                failure: None,
            };
        };
        let done = self.events[..place].last();
        PageOutcome {
            to: done.map_or(self.from, |event| event.position),
            failure: Some(failure),
        }
    }
}

impl FailedEvent {
    pub(crate) fn new(
        place: usize,
        event: &Arc<Recorded>,
        handler: &'static str,
        error: &Error,
    ) -> Self {
        let event_type = event.data.event_type.as_str();
        Self {
            place,
            failure: EventFailure {
                event: event.clone(),
                id: None,
                error: describe(handler, (event_type, event.position), &error.to_string()),
                is_outdated: error.is_of_newer_version(),
            },
        }
    }

    /// Of an event that may belong to several ids: it failed for this one.
    pub(crate) fn of_id(mut self, id: String) -> Self {
        self.failure.id = Some(id);
        self
    }
}

/// The error of an event that failed. Says that its position is that of the event, which an operator skips: beside
/// those of the projection, and of who waits for it.
fn describe(handler: &str, (event_type, position): (&str, Position), error: &str) -> String {
    let is_named = error.starts_with(&format!("event `{event_type}`"))
        && error.contains(&format!(" at position {position} "));
    if is_named {
        format!("`{handler}` failed: {error}")
    } else {
        format!("`{handler}` failed at the event at position {position} (`{event_type}`): {error}")
    }
}

impl From<Error> for Interruption {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for Interruption {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ViewCommitError> for Interruption {
    fn from(error: ViewCommitError) -> Self {
        match error {
            ViewCommitError::Moved { .. } => Self::CheckpointMoved,
            ViewCommitError::Failed(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_named_once() {
        let of = |error| describe("placed", ("order-placed", Position::new(7)), error);
        assert_eq!(
            of("no stock"),
            "`placed` failed at the event at position 7 (`order-placed`): no stock"
        );
        let unreadable = "event `order-placed` (version 1) at position 7 cannot be read as `Order`";
        assert_eq!(of(unreadable), format!("`placed` failed: {unreadable}"));
        let another = "event `order-paid` at position 7 has version 2";
        assert!(of(another).contains("(`order-placed`)"));
    }
}
