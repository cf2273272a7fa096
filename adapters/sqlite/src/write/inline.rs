//! Commits on the worker thread of a lone caller, which saves two wake-ups of threads.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};
use std::time::Instant;

use tokio::task::coop::{has_budget_remaining, poll_proceed};

use super::queue::EngineQueue;
use super::request::split;
use super::task::Answers;
use crate::stall::StallDetector;
use crate::thread::ignore_panic;

/// An inline commit: a task that the runtime runs on the worker of the caller, as soon as the caller
/// waits for its answer. Being another task, it leaves the caller free to stop waiting.
pub(crate) struct InlineCommit {
    queue: Arc<EngineQueue>,
    stall: StallDetector,
}

impl InlineCommit {
    pub(crate) fn new(queue: Arc<EngineQueue>, stall: StallDetector) -> Self {
        Self { queue, stall }
    }

    /// Commits, unless another thread is committing. When this returns, the engine and the permit are free
    /// for the next commit.
    pub(crate) fn run(self) -> Answers {
        let Some(_permit) = InlinePermit::acquire() else {
            return Answers::default();
        };
        let Some((mut engine, requests)) = self.queue.take_inline() else {
            return Answers::default();
        };
        let begun = Instant::now();
        self.stall.mark_working();
        let (batch, _) = split(requests);
        // The engine has guards of its own. This one makes sure that the engine returns.
        let answers = ignore_panic(|| engine.engine().write(batch));
        self.stall.mark_idle();
        self.queue.put_back(engine, begun.elapsed());
        answers.unwrap_or_default()
    }
}

impl Drop for InlineCommit {
    /// Also if the task was dropped, because the runtime was shut down: accepted requests are served.
    fn drop(&mut self) {
        self.queue.hand_over();
    }
}

/// Uses up the budget of the worker's turn, which ends with this task.
///
/// A worker runs a task that it wakes right after the one that wakes it, three times in a row. It puts the
/// fourth into its queue and wakes another worker, which finds nothing. As a commit and its caller wake each
/// other, that would happen at every second commit. A turn without a budget ends before that, and the caller
/// has the next one, without another worker.
pub(crate) async fn end_turn() {
    poll_fn(|context| {
        // The budget of a turn is 128. A task that has none runs without turns.
        for _ in 0..u8::MAX {
            if !has_budget_remaining() {
                break;
            }
            ready!(poll_proceed(context)).made_progress();
        }
        Poll::Ready(())
    })
    .await;
}

/// Held during an inline commit. There is one in a process, so that a hanging device blocks one worker,
/// however many stores are on it.
struct InlinePermit;

static IS_COMMITTING: AtomicBool = AtomicBool::new(false);

impl InlinePermit {
    fn acquire() -> Option<Self> {
        let was_committing = IS_COMMITTING.swap(true, Ordering::Acquire);
        // Not `then_some`, which would make a permit, and drop it, in both cases.
        (!was_committing).then(|| Self)
    }
}

impl Drop for InlinePermit {
    fn drop(&mut self) {
        IS_COMMITTING.store(false, Ordering::Release);
    }
}
