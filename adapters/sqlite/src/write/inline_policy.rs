//! The choice of appends that are committed inline, on the worker thread of their caller.

use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task;

/// Time after which the writing thread serves an append whose inline commit has not begun.
pub(crate) const MAX_INLINE_DELAY: Duration = Duration::from_millis(10);

/// Number of appends through the writing thread after two requests have met. A lone caller returns to
/// inline commits within 0.1 s, and a crowd loses at most one batch in so many appends.
const QUEUED_AFTER_CROWD: u32 = 256;

/// Number of appends through the writing thread after two slow commits in a row. Every disk has a slow
/// commit now and then, which says nothing about the next one.
const QUEUED_AFTER_SLOW: u32 = 16;

/// Duration of a slow commit. An inline commit saves about 50 µs, which is little beside this, and
/// occupies a worker of the runtime for its whole duration.
const SLOW_COMMIT: Duration = Duration::from_millis(1);

/// Decides whether an append is committed inline: while its caller is alone, and the disk is fast.
#[derive(Debug, Default)]
pub(crate) struct InlinePolicy {
    /// Number of further appends that go through the writing thread.
    queued: u32,
    /// Whether the last commit was slow.
    was_slow: bool,
}

impl InlinePolicy {
    /// Whether the next append may be committed inline. `is_alone`: nothing else is written or waits.
    pub(crate) fn allows(&mut self, is_alone: bool) -> bool {
        if !is_alone {
            self.queued = QUEUED_AFTER_CROWD;
        } else if self.queued > 0 {
            self.queued -= 1;
        } else {
            return true;
        }
        false
    }

    /// Records the duration of a commit.
    pub(crate) fn on_commit(&mut self, took: Duration) {
        let is_slow = took > SLOW_COMMIT;
        if is_slow && self.was_slow {
            self.queued = self.queued.max(QUEUED_AFTER_SLOW);
        }
        self.was_slow = is_slow;
    }
}

/// The runtime of the calling task, if it can commit inline. A hanging device blocks the worker of the
/// commit, so there must be another one.
pub(crate) fn inline_runtime() -> Option<Handle> {
    // Outside of a task, this is no worker thread, and the commit would be handed over in any case.
    task::try_id()?;
    let runtime = Handle::try_current().ok()?;
    let has_workers = runtime.runtime_flavor() == RuntimeFlavor::MultiThread
        && runtime.metrics().num_workers() > 1;
    has_workers.then_some(runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of appends of a lone caller until one is committed inline.
    fn queued(policy: &mut InlinePolicy) -> u32 {
        (0..1_000).find(|_| policy.allows(true)).unwrap()
    }

    #[test]
    fn a_lone_caller_commits_inline_and_a_crowd_does_not() {
        let mut policy = InlinePolicy::default();
        assert_eq!(queued(&mut policy), 0);
        for _ in 0..2 {
            assert!(!policy.allows(false));
        }
        assert_eq!(queued(&mut policy), QUEUED_AFTER_CROWD);
        assert_eq!(queued(&mut policy), 0);
    }

    #[test]
    fn after_two_slow_commits_in_a_row_the_writing_thread_commits() {
        let slow = SLOW_COMMIT * 2;
        let mut policy = InlinePolicy::default();
        for took in [slow, SLOW_COMMIT, slow] {
            policy.on_commit(took);
            assert_eq!(queued(&mut policy), 0);
        }
        policy.on_commit(slow);
        assert_eq!(queued(&mut policy), QUEUED_AFTER_SLOW);
        policy.allows(false);
        policy.on_commit(slow);
        assert_eq!(queued(&mut policy), QUEUED_AFTER_CROWD);
    }
}
