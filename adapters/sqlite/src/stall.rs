use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::thread::{Thread, ignore_panic};

/// Bounds the time that callers wait for threads without progress. A thread that is stuck in SQLite,
/// because the device hangs, cannot be interrupted, so a [`Watchdog`] wakes its callers instead.
#[derive(Clone)]
pub(crate) struct StallDetector {
    shared: Arc<StallState>,
}

struct StallState {
    limit: Duration,
    started: Instant,
    /// Time at which a thread last began or finished a request, in nanoseconds after the start, or `IDLE`.
    progress: AtomicU64,
    /// Wakes the callers to check the progress.
    alarm: Notify,
}

/// Time at which a thread began the request of a caller, or `IDLE`.
pub(crate) struct JobStart(AtomicU64);

/// Stands for a thread that waits for work, or for a handler that has leased its connection.
const IDLE: u64 = u64::MAX;

/// The threads have made no progress for this long.
#[derive(Debug)]
pub(crate) struct Stalled(pub(crate) Duration);

impl StallDetector {
    pub(crate) fn new(limit: Duration) -> Self {
        let shared = StallState {
            limit,
            started: Instant::now(),
            progress: AtomicU64::new(IDLE),
            alarm: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Called by a thread when it begins or finishes a request.
    pub(crate) fn mark_working(&self) {
        self.shared
            .progress
            .store(self.shared.now(), Ordering::Relaxed);
    }

    /// Called by a thread before it waits for work.
    pub(crate) fn mark_idle(&self) {
        self.shared.progress.store(IDLE, Ordering::Relaxed);
    }

    /// Waits for an answer for as long as the threads make progress.
    pub(crate) async fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, Stalled> {
        let asked = self.shared.now();
        self.wait_unless(|| self.shared.has_stalled(asked), answer)
            .await
    }

    /// [`wait`](Self::wait) for one of several threads: once a thread has begun this request, the
    /// progress of the others does not count.
    pub(crate) async fn wait_for_turn<T>(
        &self,
        turn: &JobStart,
        answer: impl Future<Output = T>,
    ) -> Result<T, Stalled> {
        let asked = self.shared.now();
        self.wait_unless(
            || match turn.0.load(Ordering::Relaxed) {
                IDLE => self.shared.has_stalled(asked),
                begun => self.shared.is_limit_over(begun),
            },
            answer,
        )
        .await
    }

    async fn wait_unless<T>(
        &self,
        has_stalled: impl Fn() -> bool,
        answer: impl Future<Output = T>,
    ) -> Result<T, Stalled> {
        let mut answer = pin!(answer);
        let mut alarm = pin!(self.shared.alarm.notified());
        poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(Ok(answer));
            }
            while alarm.as_mut().poll(context).is_ready() {
                if has_stalled() {
                    return Poll::Ready(Err(Stalled(self.shared.limit)));
                }
                alarm.set(self.shared.alarm.notified());
            }
            Poll::Pending
        })
        .await
    }
}

impl JobStart {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(IDLE))
    }

    /// Called by a thread when it begins the request.
    pub(crate) fn begins(&self, stall: &StallDetector) {
        self.0.store(stall.shared.now(), Ordering::Relaxed);
    }
}

impl StallState {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(IDLE - 1)
    }

    /// Whether there has been no progress since `since`, for as long as the limit.
    fn has_stalled(&self, since: u64) -> bool {
        let progress = self.progress.load(Ordering::Relaxed);
        progress != IDLE && self.is_limit_over(progress.max(since))
    }

    fn is_limit_over(&self, since: u64) -> bool {
        Duration::from_nanos(self.now().saturating_sub(since)) >= self.limit
    }

    fn is_resting(&self) -> bool {
        self.progress.load(Ordering::Relaxed) == IDLE
    }
}

/// Wakes callers regularly to check the progress of a store's threads. A timer per call would need no
/// thread, but setting one wakes the runtime's driver, which costs more than the call.
pub(crate) struct Watchdog {
    // Dropped before the thread is joined: the thread ends once this is closed.
    _end: Sender<()>,
    _thread: Thread,
}

impl Watchdog {
    /// Number of checks within the limit. Callers are answered up to one check late.
    const LOOKS: u32 = 8;

    /// Watches the writing and the reading threads, whose callers have the same limit.
    pub(crate) fn start(limit: Duration, watched: [StallDetector; 2]) -> io::Result<Self> {
        let interval = (limit / Self::LOOKS).max(Duration::from_millis(1));
        let (end, ended) = channel();
        let thread = Thread::start("cqrs-sqlite-watch", move || {
            watch(&ended, interval, &watched);
        })?;
        Ok(Self {
            _end: end,
            _thread: thread,
        })
    }
}

fn watch(ended: &Receiver<()>, interval: Duration, watched: &[StallDetector]) {
    while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        for StallDetector { shared } in watched {
            if !shared.is_resting() {
                ignore_panic(|| shared.alarm.notify_waiters());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::{Context, Waker};

    use super::*;

    /// Whether a call is answered at the next alarm.
    fn is_answered_at_an_alarm(stall: &StallDetector) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut call = pin!(stall.wait(pending::<()>()));
        assert!(call.as_mut().poll(&mut context).is_pending());
        stall.shared.alarm.notify_waiters();
        call.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test]
    async fn a_call_to_a_thread_that_hangs_is_answered_once_it_has_waited_for_the_limit() {
        let limit = Duration::from_millis(50);
        let stall = StallDetector::new(limit);
        stall.mark_working();
        while !stall.shared.has_stalled(0) {
            tokio::task::yield_now().await;
        }
        let watched = [stall.clone(), StallDetector::new(limit)];
        let _watchdog = Watchdog::start(limit, watched).unwrap();
        let asked = Instant::now();
        let Stalled(waited) = stall.wait(pending::<()>()).await.unwrap_err();
        assert_eq!(waited, limit);
        assert!(asked.elapsed() >= limit);
    }

    #[test]
    fn an_alarm_answers_no_call_before_the_limit() {
        let stall = StallDetector::new(Duration::MAX);
        stall.mark_working();
        assert!(!is_answered_at_an_alarm(&stall));
    }

    #[test]
    fn a_thread_that_waits_for_work_or_for_a_handler_does_not_hang() {
        let stall = StallDetector::new(Duration::ZERO);
        assert!(!is_answered_at_an_alarm(&stall));
        stall.mark_working();
        assert!(is_answered_at_an_alarm(&stall));
        stall.mark_idle();
        assert!(!is_answered_at_an_alarm(&stall));
    }
}
