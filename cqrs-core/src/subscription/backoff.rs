use std::time::Duration;

use tokio::time::Instant;

use crate::store::Position;

/// The consecutive failures of a worker, or of a watched query, and the pause before the next attempt.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    /// The furthest position that any attempt reached. An attempt that only repeats an earlier one
    /// is no progress, whether or not the checkpoint moved.
    furthest: Position,
    /// The event that fails, and the time of its first failure since the store failed last.
    event: Option<(Position, Instant)>,
}

impl Backoff {
    /// Records that everything up to `to` is done. Failures count from 0 again if no earlier
    /// attempt got this far.
    pub(super) fn progressed(&mut self, to: Position) {
        if to > self.furthest {
            self.furthest = to;
            self.attempts = 0;
        }
        self.event = self.event.filter(|(event, _)| *event > to);
    }

    /// Counts a failure. Returns the number of consecutive failures.
    pub(crate) fn failed(&mut self) -> u32 {
        self.attempts = self.attempts.saturating_add(1);
        self.attempts
    }

    /// Records that an event failed now. Returns the time for which it has failed.
    pub(super) fn event_failed(&mut self, event: Position, now: Instant) -> Duration {
        let since = match self.event {
            Some((failed, since)) if failed == event => since,
            _ => now,
        };
        self.event = Some((event, since));
        now - since
    }

    /// Records that the store failed. The time in which it does so counts for no event.
    pub(super) fn store_failed(&mut self) {
        self.event = None;
    }

    /// A pause before the next attempt: up to [`longest_pause`](Self::longest_pause), and at random, so that
    /// workers that failed together do not retry together.
    pub(crate) fn pause(&self) -> Duration {
        self.longest_pause().mul_f64(fastrand::f64().midpoint(1.0))
    }

    /// 50 ms after the first failure, doubled with each, up to 10 s.
    fn longest_pause(&self) -> Duration {
        Duration::from_millis(25 << self.attempts.min(9)).min(Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_an_attempt_comes_further() {
        let mut backoff = Backoff::default();
        let mut fail_at = |position| {
            backoff.progressed(Position::new(position));
            (backoff.failed(), backoff.longest_pause().as_millis())
        };
        assert_eq!(fail_at(99), (1, 50));
        assert_eq!(fail_at(99), (2, 100));
        assert_eq!(fail_at(50), (3, 200));
        assert_eq!(fail_at(100), (1, 50));
        let longest = (0..100).map(|_| fail_at(100)).last();
        assert_eq!(longest, Some((101, 10_000)));
    }

    #[test]
    fn an_event_has_its_own_time() {
        let mut backoff = Backoff::default();
        let (event, later) = (Position::new(7), Position::new(8));
        let start = Instant::now();
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let at = |count| start + minutes(count);
        backoff.failed();
        let failed = backoff.event_failed(event, at(1));
        assert_eq!(failed, minutes(0), "other failures do not count");
        backoff.progressed(Position::new(6));
        assert_eq!(backoff.event_failed(event, at(2)), minutes(1));
        let failed = backoff.event_failed(later, at(3));
        assert_eq!(failed, minutes(0), "another event");
        backoff.store_failed();
        let failed = backoff.event_failed(later, at(4));
        assert_eq!(failed, minutes(0), "after an outage");
        backoff.progressed(later);
        let failed = backoff.event_failed(later, at(5));
        assert_eq!(failed, minutes(0), "after it was handled");
    }
}
