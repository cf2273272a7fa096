use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cqrs_kit::command_time;

/// Time without a failure after which the next one begins another outage. An attempt to reach a server that does not
/// answer fails within less.
const BETWEEN_OUTAGES: Duration = Duration::from_secs(15);

/// The outage that the database has, or has had last.
///
/// A command waits for it with its loads, its turns and its append. So its patience counts from when it was sent, or
/// from the beginning of the outage, if that was later: until then, nothing has kept it waiting.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Option<Times>>);

#[derive(Clone, Copy, Debug)]
struct Times {
    began: Instant,
    /// The last failure.
    last: Instant,
}

impl Outage {
    /// Notes that there was no answer to what was sent or attempted at this time.
    pub(crate) fn note(&self, sent: Instant) {
        let now = Instant::now();
        let mut times = self.times();
        let began = match *times {
            Some(it) if now.duration_since(it.last) < BETWEEN_OUTAGES => it.began.min(sent),
            _ => sent,
        };
        *times = Some(Times { began, last: now });
    }

    /// From when the patience of this task's command counts for something that began at this time. The same time,
    /// if there is no command or no outage.
    pub(crate) fn waiting_since(&self, began: Instant) -> Instant {
        self.waiting_since_of(command_time::sent_at(), began)
    }

    /// The same, for a command that was sent at this time.
    pub(crate) fn waiting_since_of(&self, sent: Option<Instant>, began: Instant) -> Instant {
        let (Some(sent), Some(outage)) = (sent, self.current()) else {
            return began;
        };
        sent.max(outage).min(began)
    }

    /// When the outage has begun, if there is one.
    fn current(&self) -> Option<Instant> {
        let times = (*self.times())?;
        (times.last.elapsed() < BETWEEN_OUTAGES).then_some(times.began)
    }

    /// No other code runs while the lock is held, so a poisoned one still guards whole data.
    fn times(&self) -> MutexGuard<'_, Option<Times>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_from_the_beginning_of_an_outage() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let outage = Outage::default();
        assert_eq!(outage.waiting_since_of(Some(at(1)), at(9)), at(9), "none");
        outage.note(at(4));
        outage.note(at(6));
        assert_eq!(outage.waiting_since_of(Some(at(1)), at(9)), at(4));
        assert_eq!(outage.waiting_since_of(Some(at(5)), at(9)), at(5));
        assert_eq!(outage.waiting_since_of(Some(at(1)), at(3)), at(3));
        assert_eq!(outage.waiting_since_of(None, at(9)), at(9));
        assert_eq!(outage.waiting_since(at(9)), at(9), "no command");
    }
}
