use super::{Inner, StateCacheHealth};
use crate::store::Position;
use crate::subscription::{Progress, SubscriptionHealth, SubscriptionState};

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

impl Health {
    /// Whether every projection and reaction is running: none fails, and none has stopped.
    pub fn is_ok(&self) -> bool {
        self.subscriptions
            .iter()
            .all(|it| it.state == SubscriptionState::Running)
    }
}

impl Inner {
    pub(crate) fn health(&self) -> Health {
        let subscriptions = self.workers.iter().map(Progress::health).collect();
        Health {
            head: self.log.heads().position(),
            subscriptions,
            state_cache: self.decisions.cache_health(),
        }
    }
}
