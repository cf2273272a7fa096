use std::time::Duration;

use tokio::sync::watch;

use super::{SubscriptionHealth, SubscriptionKind, SubscriptionState};
use crate::error::NotCaughtUp;
use crate::store::Position;

/// The progress of a worker, which queries, health and shutdown read. Clones share it.
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

    /// Name of the projection or reaction.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Records that everything up to `position` is done, and that nothing fails.
    pub(super) fn mark_reached(&self, position: Position) {
        let state = ProgressState {
            position,
            status: SubscriptionState::Running,
        };
        self.state.send_replace(state);
    }

    /// Records that everything up to `position` is done, by this worker or by another one. A
    /// failure stays reported.
    pub(super) fn mark_started(&self, position: Position) {
        self.state.send_modify(|state| state.position = position);
    }

    pub(super) fn mark_failing(&self, attempts: u32, error: String) {
        let status = SubscriptionState::Failing { attempts, error };
        self.state.send_modify(|state| state.status = status);
    }

    /// Records that the worker has ended for good. The first reason is kept.
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
        // An error would mean that the sender is gone, but `self` has it.
        let _ = state.wait_for(ProgressState::is_stopped).await;
    }

    /// Waits until everything up to `wanted` is done, for at most `within`. Fails at once if the
    /// worker ends.
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

    /// Waits until everything up to `wanted` is done. Gives up after `idle_timeout` without
    /// progress.
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
