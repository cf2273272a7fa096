use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout;

/// How long those wait for a thread who asked it for something, when it makes no progress: a
/// thread that SQLite keeps, because the device hangs, cannot be interrupted.
#[derive(Clone)]
pub(crate) struct Patience {
    limit: Duration,
    started: Instant,
    /// When the thread last began or ended a piece of work, in milliseconds after the start, or
    /// `RESTING`.
    progress: Arc<AtomicU64>,
}

/// The thread waits for work, or for a handler that has its connection.
const RESTING: u64 = u64::MAX;

/// The thread has made no progress for as long as this.
#[derive(Debug)]
pub(crate) struct Stalled(pub(crate) Duration);

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            started: Instant::now(),
            progress: Arc::new(AtomicU64::new(RESTING)),
        }
    }

    /// Called by the thread: it begins with something, or goes on to the next thing.
    pub(crate) fn works(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(RESTING - 1);
        self.progress.store(now, Ordering::Relaxed);
    }

    /// Called by the thread: it has nothing to do.
    pub(crate) fn rests(&self) {
        self.progress.store(RESTING, Ordering::Relaxed);
    }

    /// Waits for what the thread does, as long as it makes progress.
    pub(crate) async fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, Stalled> {
        let mut answer = pin!(answer);
        let mut left = self.limit;
        loop {
            if let Ok(answer) = timeout(left, &mut answer).await {
                return Ok(answer);
            }
            let since = match self.progress.load(Ordering::Relaxed) {
                RESTING => self.started.elapsed(),
                since => Duration::from_millis(since),
            };
            let stalled = self.started.elapsed().saturating_sub(since);
            left = self.limit.saturating_sub(stalled);
            if left.is_zero() {
                return Err(Stalled(self.limit));
            }
        }
    }
}
