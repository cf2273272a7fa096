use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Between half of the pause and all of it, so that those who wait for a server do not come all at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 512;
    pause / 2 + pause / 1024 * u32::try_from(random).unwrap_or_default()
}

/// Growing pauses between attempts to reach an unreachable database.
pub(crate) struct ReconnectBackoff {
    began: Instant,
    limit: Duration,
    pause: Duration,
}

impl ReconnectBackoff {
    /// Allows pauses for at most this long in total.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            began: Instant::now(),
            limit,
            pause: Duration::from_millis(20),
        }
    }

    /// Pauses before the next attempt. Returns `false` at once if that would exceed the limit.
    pub(crate) async fn pause(&mut self) -> bool {
        if self.began.elapsed().saturating_add(self.pause) > self.limit {
            return false;
        }
        sleep(jittered(self.pause)).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        true
    }
}
