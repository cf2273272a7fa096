use std::time::Duration;

use tokio::sync::watch;

use super::{SubscriptionHealth, SubscriptionKind, SubscriptionState};
use crate::error::NotCaughtUp;
use crate::store::Position;

/// How far a worker is, as others see it.
#[derive(Clone)]
pub(crate) struct Progress {
    name: &'static str,
    kind: SubscriptionKind,
    state: watch::Sender<ProgressState>,
}

#[derive(Clone)]
struct ProgressState {
    position: Position,
    status: SubscriptionState,
}

impl Progress {
    pub(super) fn new(name: &'static str, kind: SubscriptionKind) -> Self {
        let state = ProgressState {
            position: Position::START,
            status: SubscriptionState::Running,
        };
        Self {
            name,
            kind,
            state: watch::Sender::new(state),
        }
    }

    /// Of the projection or reaction.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Everything up to here is done, and nothing fails.
    pub(super) fn mark_reached(&self, position: Position) {
        let state = ProgressState {
            position,
            status: SubscriptionState::Running,
        };
        self.state.send_replace(state);
    }

    /// Everything up to here is done, as another process or an earlier run left it.
    pub(super) fn mark_started(&self, position: Position) {
        self.state.send_modify(|state| state.position = position);
    }

    pub(super) fn mark_failing(&self, attempts: u32, error: String) {
        let status = SubscriptionState::Failing { attempts, error };
        self.state.send_modify(|state| state.status = status);
    }

    /// The worker has ended and will not go on. The first reason stays.
    pub(crate) fn mark_stopped(&self, reason: &str) {
        self.state.send_if_modified(|state| {
            let is_first = !state.is_stopped();
            if is_first {
                let reason = reason.to_owned();
                state.status = SubscriptionState::Stopped { reason };
            }
            is_first
        });
    }

    pub(crate) fn kind(&self) -> SubscriptionKind {
        self.kind
    }

    pub(super) fn position(&self) -> Position {
        self.state.borrow().position
    }

    /// Waits until the worker has ended.
    pub(crate) async fn stopped(&self) {
        let mut state = self.state.subscribe();
        // The sender is in `self`, so there is an answer.
        let _ = state.wait_for(ProgressState::is_stopped).await;
    }

    /// Waits until everything up to `wanted` is done, at most this long, and no longer than there
    /// is a worker.
    pub(crate) async fn wait_for(
        &self,
        wanted: Position,
        within: Duration,
    ) -> Result<(), NotCaughtUp> {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| state.position >= wanted || state.is_stopped());
        match tokio::time::timeout(within, ended).await {
            Ok(Ok(state)) if state.position >= wanted => Ok(()),
            _ => Err(self.behind(wanted, within)),
        }
    }

    /// The same, as long as there is progress: gives up after this long without any.
    pub(crate) async fn wait_while_progressing(
        &self,
        wanted: Position,
        idle_timeout: Duration,
    ) -> Result<(), NotCaughtUp> {
        loop {
            let at = self.state.borrow().position;
            if at >= wanted {
                return Ok(());
            }
            let further = Position::new(at.get() + 1).min(wanted);
            self.wait_for(further, idle_timeout)
                .await
                .map_err(|behind| NotCaughtUp { wanted, ..behind })?;
        }
    }

    /// The error of a wait that ended without success.
    pub(crate) fn behind(&self, wanted: Position, within: Duration) -> NotCaughtUp {
        let ProgressState { position, status } = self.state.borrow().clone();
        let (failing, stopped) = match status {
            SubscriptionState::Running => (None, None),
            SubscriptionState::Failing { error, .. } => (Some(error), None),
            SubscriptionState::Stopped { reason } => (None, Some(reason)),
        };
        NotCaughtUp {
            kind: self.kind.as_str(),
            name: self.name,
            at: position,
            wanted,
            waited: within,
            failing,
            stopped,
        }
    }

    pub(crate) fn health(&self) -> SubscriptionHealth {
        let ProgressState { position, status } = self.state.borrow().clone();
        SubscriptionHealth {
            name: self.name,
            kind: self.kind,
            position,
            state: status,
        }
    }
}

impl ProgressState {
    fn is_stopped(&self) -> bool {
        matches!(self.status, SubscriptionState::Stopped { .. })
    }
}
