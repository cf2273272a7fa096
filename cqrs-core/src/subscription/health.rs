use std::fmt;

use crate::store::Position;

/// Health of a projection or reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionHealth {
    /// Name of the projection or reaction.
    pub name: &'static str,
    /// Kind of the subscription.
    pub kind: SubscriptionKind,
    /// Position up to which every event has been handled.
    pub position: Position,
    /// Current state.
    pub state: SubscriptionState,
}

/// Kind of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionKind {
    /// A projection, which writes read models.
    Projection,
    /// A reaction: an `#[event_handler]`.
    Reaction,
}

/// State of a projection or reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Following the log.
    Running,
    /// Another process handles the events, and this one takes over when that ends.
    Standby,
    /// Retrying after an error of an event or of the store. No event is skipped: the position stays
    /// until the retry succeeds.
    Failing {
        /// Number of consecutive failures.
        attempts: u32,
        /// The last error, with the handler and the event's position if an event failed.
        error: String,
    },
    /// Ended. This dispatcher does not start it again.
    Stopped {
        /// The reason: the dispatcher was shut down, or the runtime in which it was built has
        /// ended.
        reason: String,
    },
}

impl SubscriptionKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Projection => "projection",
            Self::Reaction => "reaction",
        }
    }
}

impl fmt::Display for SubscriptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SubscriptionHealth {
    /// Whether its events are handled, here or in another process.
    pub fn is_ok(&self) -> bool {
        match self.state {
            SubscriptionState::Running | SubscriptionState::Standby => true,
            SubscriptionState::Failing { .. } | SubscriptionState::Stopped { .. } => false,
        }
    }

    /// Number of positions between this subscription and `head`.
    pub fn behind(&self, head: Position) -> u64 {
        head.since(self.position)
    }
}
