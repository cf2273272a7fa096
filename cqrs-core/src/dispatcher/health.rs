use super::{Inner, StateCacheHealth};
use crate::projection::Progress;
use crate::store::Position;

/// How a dispatcher is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The last position that this process knows of.
    pub head: Position,
    /// How each projection and reaction is doing.
    pub subscriptions: Vec<SubscriptionHealth>,
    /// How useful the states of aggregates are that are kept in memory.
    pub state_cache: StateCacheHealth,
}

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
}

impl Health {
    /// Whether nothing fails.
    pub fn is_ok(&self) -> bool {
        self.subscriptions
            .iter()
            .all(|it| it.state == SubscriptionState::Running)
    }
}

impl SubscriptionHealth {
    /// How many positions it is behind.
    pub fn behind(&self, head: Position) -> u64 {
        head.since(self.position)
    }
}

impl Inner {
    pub(crate) fn health(&self) -> Health {
        let subscriptions = self.workers.iter().map(Progress::health).collect();
        Health {
            head: *self.store.watch().borrow(),
            subscriptions,
            state_cache: self.cache.health(),
        }
    }
}
