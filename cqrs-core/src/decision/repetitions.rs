use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time after a repetition in which others are expected.
const EXPECTED: Duration = Duration::from_secs(1);

/// When an append has found the last command that was sent before. A store may have to write others again that were in one
/// batch with it, so while commands are sent again, they are looked up first.
pub(super) struct Repetitions {
    begun: Instant,
    /// Milliseconds after `begun` until which others are expected.
    until: AtomicU64,
}

impl Default for Repetitions {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            until: AtomicU64::new(0),
        }
    }
}

impl Repetitions {
    pub(super) fn note(&self) {
        let until = millis(self.begun.elapsed().saturating_add(EXPECTED));
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    pub(super) fn are_expected(&self) -> bool {
        match self.until.load(Ordering::Relaxed) {
            0 => false,
            until => millis(self.begun.elapsed()) < until,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
