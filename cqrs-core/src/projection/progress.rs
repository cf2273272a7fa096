use std::time::Duration;

use tokio::sync::watch;

use crate::dispatcher::{SubscriptionHealth, SubscriptionKind, SubscriptionState};
use crate::error::Behind;
use crate::store::Position;

/// How far a worker is, as others see it.
#[derive(Clone)]
pub(crate) struct Progress {
    name: &'static str,
    kind: SubscriptionKind,
    state: watch::Sender<State>,
}

#[derive(Clone)]
struct State {
    position: Position,
    doing: SubscriptionState,
}

impl Progress {
    pub(super) fn new(name: &'static str, kind: SubscriptionKind) -> Self {
        let state = State {
            position: Position::START,
            doing: SubscriptionState::Running,
        };
        Self {
            name,
            kind,
            state: watch::Sender::new(state),
        }
    }

    /// Everything up to here is done, and nothing fails.
    pub(super) fn reached(&self, position: Position) {
        let state = State {
            position,
            doing: SubscriptionState::Running,
        };
        self.state.send_replace(state);
    }

    /// Everything up to here is done, as another process or an earlier run left it.
    pub(super) fn starts(&self, position: Position) {
        self.state.send_modify(|state| state.position = position);
    }

    pub(super) fn fails(&self, attempts: u32, error: String) {
        let doing = SubscriptionState::Failing { attempts, error };
        self.state.send_modify(|state| state.doing = doing);
    }

    /// Waits until everything up to `wanted` is done, at most this long.
    pub(crate) async fn reach(&self, wanted: Position, within: Duration) -> Result<(), Behind> {
        let mut state = self.state.subscribe();
        let reached = state.wait_for(|state| state.position >= wanted);
        match tokio::time::timeout(within, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.behind(wanted, within)),
        }
    }

    /// The same, as long as there is progress: gives up after this long without any.
    pub(crate) async fn arrive(&self, wanted: Position, patience: Duration) -> Result<(), Behind> {
        loop {
            let at = self.state.borrow().position;
            if at >= wanted {
                return Ok(());
            }
            let further = Position::new(at.get() + 1).min(wanted);
            self.reach(further, patience)
                .await
                .map_err(|behind| Behind { wanted, ..behind })?;
        }
    }

    /// The error of a wait that ended without success.
    pub(crate) fn behind(&self, wanted: Position, within: Duration) -> Behind {
        let State { position, doing } = self.state.borrow().clone();
        let failing = match doing {
            SubscriptionState::Running => None,
            SubscriptionState::Failing { error, .. } => Some(error),
        };
        Behind {
            projection: self.name,
            at: position,
            wanted,
            waited: within,
            failing,
        }
    }

    pub(crate) fn health(&self) -> SubscriptionHealth {
        let State { position, doing } = self.state.borrow().clone();
        SubscriptionHealth {
            name: self.name,
            kind: self.kind,
            position,
            state: doing,
        }
    }
}
