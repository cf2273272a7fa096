use std::sync::Arc;

use tracing::Span;

use super::{Checkpoint, Phase};
use crate::error::Error;
use crate::store::{BoxFuture, Position, Recorded, StoreError, ViewCommitError};

/// Handles the events that a [`Worker`](super::Worker) brings: a projection, a reaction.
pub(crate) trait Follower: Send + Sync {
    /// Whether it ends in this phase of the dispatcher, when everything up to `at` is done.
    fn ends(&self, phase: Phase, at: Position) -> bool;

    /// Begins at a checkpoint, which need not be where it stopped: what it has in memory is void.
    fn restart(&self) {}

    /// The span that a page of events is handled in.
    fn span(&self, _subscription: &str, _events: &[Arc<Recorded>]) -> Span {
        Span::none()
    }

    /// Handles a page of events in order, up to the first one that fails, and commits what came of
    /// it with the checkpoint. Where nothing came of it, the checkpoint may stay.
    fn handle<'a>(
        &'a self,
        page: SubscriptionPage<'a>,
        checkpoint: &'a mut Checkpoint,
    ) -> BoxFuture<'a, Result<PageOutcome, Interruption>>;
}

/// The events of one subscription between two positions.
#[derive(Clone, Copy)]
pub(crate) struct SubscriptionPage<'a> {
    /// Everything up to here was done before.
    pub(crate) from: Position,
    /// The log was read up to here.
    pub(crate) to: Position,
    pub(crate) events: &'a [Arc<Recorded>],
}

/// How far a page was handled.
pub(crate) struct PageOutcome {
    /// Everything up to here is done.
    pub(crate) to: Position,
    /// Why the next event failed, if one did.
    pub(crate) failure: Option<String>,
}

/// An event that failed.
pub(crate) struct FailedEvent {
    /// Its place in the page.
    pub(crate) place: usize,
    pub(crate) error: String,
}

/// Why a follower stops: unless it is a shutdown, it starts again from its checkpoint.
pub(crate) enum Interruption {
    /// Another process moved the checkpoint, or the database aborted the transaction in favor of
    /// another one.
    CheckpointMoved,
    Failed(String),
    /// The dispatcher is shut down, and this follower has finished.
    ShutDown,
}

impl SubscriptionPage<'_> {
    /// What is left when so many events are done.
    pub(super) fn after(&self, count: usize) -> Self {
        let (done, rest) = self.events.split_at(count);
        Self {
            from: done.last().map_or(self.from, |event| event.position),
            events: rest,
            ..*self
        }
    }

    /// All of the page was handled, or what is before the event that failed.
    pub(crate) fn outcome(&self, failed: Option<FailedEvent>) -> PageOutcome {
        let Some(FailedEvent { place, error }) = failed else {
            return PageOutcome {
                to: self.to,
                failure: None,
            };
        };
        let done = self.events[..place].last();
        PageOutcome {
            to: done.map_or(self.from, |event| event.position),
            failure: Some(error),
        }
    }
}

impl FailedEvent {
    pub(crate) fn new(
        place: usize,
        event: &Recorded,
        handler: &'static str,
        error: &Error,
    ) -> Self {
        let position = event.position;
        let event_type = &event.data.event_type;
        Self {
            place,
            error: format!("`{handler}` failed at position {position} (`{event_type}`): {error}"),
        }
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
