use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Growing pauses between attempts to reach a database that is away.
pub(crate) struct Backoff {
    began: Instant,
    limit: Duration,
    pause: Duration,
}

impl Backoff {
    /// Pauses for this long at most, all together.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            began: Instant::now(),
            limit,
            pause: Duration::from_millis(20),
        }
    }

    /// Pauses before the next attempt. Returns `false` when limit has run out.
    pub(crate) async fn pause(&mut self) -> bool {
        if self.began.elapsed().saturating_add(self.pause) > self.limit {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        true
    }
}
