use super::{Inner, StateCacheHealth};
use crate::store::Position;
use crate::subscription::{Progress, SubscriptionHealth};

/// Health of a dispatcher. Returned by [`Dispatcher::health`](super::Dispatcher::health).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The head of the log, as far as this process knows.
    pub head: Position,
    /// Health of each projection and reaction.
    pub subscriptions: Vec<SubscriptionHealth>,
    /// Effectiveness of the state cache.
    pub state_cache: StateCacheHealth,
}

impl Health {
    /// Whether every projection and reaction is running, here or in another process: none is failing,
    /// and none has stopped.
    pub fn is_ok(&self) -> bool {
        self.subscriptions.iter().all(SubscriptionHealth::is_ok)
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
