use std::time::Duration;

use tokio::time::Instant;

use crate::store::Position;

/// The consecutive failures of a worker, and the pause before its next attempt.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
    /// The furthest position that any attempt reached. An attempt that only repeats an earlier one
    /// is no progress, whether or not the checkpoint moved.
    furthest: Position,
    /// The first of the failures.
    since: Option<Instant>,
}

impl Backoff {
    /// Records that everything up to `to` is done. Failures count from 0 again if no earlier
    /// attempt got this far.
    pub(super) fn progressed(&mut self, to: Position) {
        if to > self.furthest {
            self.furthest = to;
            self.attempts = 0;
            self.since = None;
        }
    }

    /// Counts a failure. Returns the number of consecutive failures.
    pub(super) fn failed(&mut self) -> u32 {
        self.attempts = self.attempts.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
        self.attempts
    }

    /// Whether the failures have lasted that long.
    pub(super) fn lasts(&self, time: Duration) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= time)
    }

    /// A pause before the next attempt: up to [`longest_pause`](Self::longest_pause), and at random, so that
    /// workers that failed together do not retry together.
    pub(super) fn pause(&self) -> Duration {
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
}
