use std::time::Duration;

use tokio::sync::watch;
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
    /// The position of its last event, once it is recorded. Closed without a position if the append
    /// failed or its caller was dropped.
    last: watch::Receiver<Option<Position>>,
}

/// Reports the outcome of an append. Dropping it reports that the append is lost.
pub(super) struct AppendCompletion(watch::Sender<Option<Position>>);

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
        let (sender, last) = watch::channel(None);
        let pending = Self {
            token,
            command,
            last,
        };
        (pending, AppendCompletion(sender))
    }

    /// The token by which a later append refers to this one.
    pub(super) fn token(&self) -> AppendToken {
        self.token
    }

    pub(super) fn status(&self) -> AppendStatus {
        // The channel is checked before the value: once it is closed, the value is final. In the
        // other order, a position that arrives in between would be reported as lost.
        let is_closed = self.last.has_changed().is_err();
        match *self.last.borrow() {
            Some(last) => AppendStatus::Recorded(last),
            None if is_closed => AppendStatus::Lost,
            None => AppendStatus::InFlight,
        }
    }

    /// Waits for the outcome, for at most `limit`. Returns the position of the last event if this
    /// very append is known to be recorded.
    ///
    /// A caller may stop polling the append's future without dropping it, so that no outcome is
    /// ever reported. Therefore the store is asked at intervals. It knows whether the command is
    /// recorded, but not by which sending, so the state has to be read again even then.
    pub(super) async fn outcome(
        mut self,
        store: &dyn EventLog,
        limit: Duration,
    ) -> Option<Position> {
        let start = Instant::now();
        loop {
            let wait = LOOKUP_INTERVAL.min(limit.saturating_sub(start.elapsed()));
            // The first error is the timeout; the second one, a channel that was closed without a
            // position, means that the append is lost.
            if let Ok(last) = timeout(wait, self.last.wait_for(Option::is_some)).await {
                return last.ok().and_then(|last| *last);
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
        self.0.send_replace(Some(last));
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
