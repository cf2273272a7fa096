use std::fmt;

use super::{Inner, StateCacheHealth};
use crate::store::Position;
use crate::subscription::{SubscriptionHealth, SubscriptionState};

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

/// One line for the whole, and one for each subscription that is neither running nor standing by.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            head,
            subscriptions,
            ..
        } = self;
        let failing = subscriptions.iter().filter(|it| !it.is_ok()).count();
        let all = match subscriptions.len() {
            1 => "1 subscription".to_owned(),
            all => format!("{all} subscriptions"),
        };
        if failing == 0 {
            write!(f, "ok: {all}, the log ends at position {head}")?;
        } else {
            write!(
                f,
                "not ok: {failing} of {all}, the log ends at position {head}"
            )?;
        }
        for health in subscriptions.iter().filter(|it| !is_calm(it)) {
            write!(f, "\n{health}")?;
        }
        Ok(())
    }
}

/// Whether there is nothing to tell of it.
fn is_calm(health: &SubscriptionHealth) -> bool {
    let is_running = matches!(
        health.state,
        SubscriptionState::Running | SubscriptionState::Standby
    );
    is_running && health.answered_by.is_none()
}

impl Inner {
    pub(crate) fn health(&self) -> Health {
        let places = 0..self.workers.len();
        Health {
            head: self.log.heads().position(),
            subscriptions: places
                .map(|place| self.subscription_health(place))
                .collect(),
            state_cache: self.decisions.cache_health(),
        }
    }

    /// Health of the projection or reaction at this place, with that of the version that answers.
    pub(super) fn subscription_health(&self, place: usize) -> SubscriptionHealth {
        let answering = self.answering.get(place).and_then(Option::as_ref);
        SubscriptionHealth {
            answered_by: answering.and_then(|it| it.earlier_health()),
            ..self.workers[place].health()
        }
    }
}
