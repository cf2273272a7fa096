use std::fmt;

use crate::store::Position;

/// How a projection or reaction is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionHealth {
    /// Its name.
    pub name: &'static str,
    /// Which of the two.
    pub kind: SubscriptionKind,
    /// It has everything up to here.
    pub position: Position,
    /// What it is doing.
    pub state: SubscriptionState,
}

/// What follows the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionKind {
    /// A projection, which writes read models.
    Projection,
    /// A reaction: an `#[event_handler]`.
    Reaction,
}

/// What a projection or reaction is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Following the log.
    Running,
    /// Trying again at an event that fails, or a store that does. It goes no further until that
    /// succeeds: nothing is skipped.
    Failing {
        /// How often it has failed in a row.
        attempts: u32,
        /// The last error, with the event's position and the handler.
        error: String,
    },
    /// Ended, and not started again by this dispatcher.
    Stopped {
        /// Why: the dispatcher was shut down, or the runtime it was built in has ended.
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
    /// How many positions it is behind.
    pub fn behind(&self, head: Position) -> u64 {
        head.since(self.position)
    }
}
