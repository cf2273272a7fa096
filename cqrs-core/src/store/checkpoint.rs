use super::{Position, Recorded};
use crate::EventId;

/// The progress of a subscription. A [`ViewStore`](super::ViewStore) keeps it as one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// All events up to this position are handled.
    pub position: Position,
    /// The last known event up to `position`, by which the subscription recognizes its log when it
    /// resumes. `None` at the start of the log, and if an earlier version of the framework wrote
    /// the checkpoint.
    pub last_event: Option<LastEvent>,
}

/// The identity of an event and its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// Place in the log.
    pub position: Position,
    /// Identity of the event.
    pub id: EventId,
}

/// A checkpoint without an event.
impl From<Position> for Checkpoint {
    fn from(position: Position) -> Self {
        Self {
            position,
            last_event: None,
        }
    }
}

impl From<&Recorded> for LastEvent {
    fn from(event: &Recorded) -> Self {
        Self {
            position: event.position,
            id: event.meta.id,
        }
    }
}
