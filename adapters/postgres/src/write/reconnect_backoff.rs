use std::time::{Duration, Instant};

use tokio::time::sleep;

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
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        true
    }
}
