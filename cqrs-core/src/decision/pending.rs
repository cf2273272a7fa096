use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::CommandId;
use crate::store::{AppendToken, EventStore, Position, Store};

/// How long an append may go without news before the store is asked about its command.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(1);

/// An append that is under way, whose events a state in memory has already.
#[derive(Clone)]
pub(crate) struct Pending {
    token: AppendToken,
    command: CommandId,
    /// The position of its last event, once it is recorded. Closed without one when the append
    /// failed or its outcome is not known.
    last: watch::Receiver<Option<Position>>,
}

/// Tells the outcome of an append; dropped, that it is not known to be recorded.
pub(super) struct AppendCompletion(watch::Sender<Option<Position>>);

/// What is known of an append without waiting for it.
pub(super) enum AppendStatus {
    InFlight,
    Recorded(Position),
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

    /// By which an append follows it.
    pub(super) fn token(&self) -> AppendToken {
        self.token
    }

    pub(super) fn status(&self) -> AppendStatus {
        // In this order: nothing comes after the end.
        let is_closed = self.last.has_changed().is_err();
        match *self.last.borrow() {
            Some(last) => AppendStatus::Recorded(last),
            None if is_closed => AppendStatus::Lost,
            None => AppendStatus::InFlight,
        }
    }

    /// Waits for the outcome, at most this long: where it was recorded, if this very append is known
    /// to be.
    ///
    /// The caller that sent it may have stopped to poll its future, and then says nothing. So the
    /// store is asked now and then; that the command is recorded there does not tell by which
    /// sending, so the state has to be read again even then.
    pub(super) async fn outcome(mut self, store: &dyn Store, limit: Duration) -> Option<Position> {
        let start = Instant::now();
        loop {
            let wait = LOOKUP_INTERVAL.min(limit.saturating_sub(start.elapsed()));
            if let Ok(last) = timeout(wait, self.last.wait_for(Option::is_some)).await {
                return last.ok().and_then(|last| *last);
            }
            let recorded = EventStore::command(store, self.command).await;
            if recorded.is_ok_and(|command| command.is_some()) || start.elapsed() >= limit {
                return None;
            }
        }
    }
}

impl AppendCompletion {
    /// It is recorded, up to here.
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
