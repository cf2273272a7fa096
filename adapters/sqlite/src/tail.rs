use std::sync::Arc;

use cqrs_core::store::{Heads, Recorded, TailCache};
use cqrs_core::{Position, Uuid};

/// How many of the events that this process wrote stay in memory for those who follow the log, and
/// how many bytes they take: more than what comes while a projection commits a page.
const MAX_TAIL_EVENTS: usize = 8192;
const MAX_TAIL_BYTES: usize = 8 << 20;

/// What those are told who follow the log in this process.
#[derive(Clone)]
pub(crate) struct LogTail {
    /// The last known head.
    pub(crate) heads: Heads,
    /// What this process wrote.
    pub(crate) recent: Arc<TailCache>,
}

impl LogTail {
    /// `window` is how many events may be kept in memory.
    pub(crate) fn new(log: Uuid, head: Position, window: usize) -> Self {
        Self {
            heads: Heads::new(head).of_log(log),
            recent: Arc::new(TailCache::new(
                head,
                window.min(MAX_TAIL_EVENTS),
                MAX_TAIL_BYTES,
            )),
        }
    }

    /// Tells of what was written and committed.
    pub(crate) fn on_appended(&self, head: Position, events: impl IntoIterator<Item = Recorded>) {
        if self.heads.is_watched() {
            self.recent.add(events);
        }
        self.heads.advance(head);
    }

    /// Tells of a head that was looked up, and so of what other processes wrote.
    pub(crate) fn on_head_observed(&self, head: Position) {
        self.recent.confirm(head);
        self.heads.advance(head);
    }
}
