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
    /// The event that fails.
    event: Option<FailingEvent>,
}

/// An event that fails, and since when it does for each of its ids, counted from the last failure of the store.
#[derive(Debug)]
struct FailingEvent {
    position: Position,
    /// `None` for an event that belongs to a single id.
    ids: Vec<(Option<String>, Instant)>,
}

impl Backoff {
    /// Records that everything up to `to` is done. Failures count from 0 again if no earlier
    /// attempt got this far.
    pub(super) fn progressed(&mut self, to: Position) {
        if to > self.furthest {
            self.furthest = to;
            self.attempts = 0;
        }
        self.event.take_if(|event| event.position <= to);
    }

    /// Counts a failure. Returns the number of consecutive failures.
    pub(crate) fn failed(&mut self) -> u32 {
        self.attempts = self.attempts.saturating_add(1);
        self.attempts
    }

    /// Records that an event failed now, for this id if it may belong to several. Returns the time for which it has
    /// failed for that.
    pub(super) fn event_failed(
        &mut self,
        event: Position,
        id: Option<&str>,
        now: Instant,
    ) -> Duration {
        let known = self.event.take_if(|known| known.position == event);
        let mut failing = known.unwrap_or(FailingEvent {
            position: event,
            ids: Vec::new(),
        });
        let mut ids = failing.ids.iter();
        let known = ids.find(|(known, _)| known.as_deref() == id);
        let since = known.map_or(now, |(_, since)| *since);
        if known.is_none() {
            failing.ids.push((id.map(str::to_owned), now));
        }
        self.event = Some(failing);
        now - since
    }

    /// Records that what failed is out of the way, since its key is parked. Other failures count from 0.
    pub(super) fn key_parked(&mut self) {
        self.attempts = 0;
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
        let failed = backoff.event_failed(event, None, at(1));
        assert_eq!(failed, minutes(0), "other failures do not count");
        backoff.progressed(Position::new(6));
        assert_eq!(backoff.event_failed(event, None, at(2)), minutes(1));
        let failed = backoff.event_failed(later, None, at(3));
        assert_eq!(failed, minutes(0), "another event");
        backoff.store_failed();
        let failed = backoff.event_failed(later, None, at(4));
        assert_eq!(failed, minutes(0), "after an outage");
        backoff.progressed(later);
        let failed = backoff.event_failed(later, None, at(5));
        assert_eq!(failed, minutes(0), "after it was handled");
    }

    #[test]
    fn each_id_of_an_event_has_its_own_time() {
        let mut backoff = Backoff::default();
        let event = Position::new(7);
        let start = Instant::now();
        let mut fail = |id, second| {
            backoff.failed();
            let now = start + Duration::from_secs(second);
            backoff.event_failed(event, Some(id), now).as_secs()
        };
        assert_eq!([fail("a", 1), fail("a", 5)], [0, 4]);
        assert_eq!([fail("b", 6), fail("a", 7), fail("b", 8)], [0, 6, 2]);
        backoff.key_parked();
        backoff.failed();
        assert_eq!(backoff.longest_pause(), Duration::from_millis(50));
    }
}
