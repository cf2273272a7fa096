use std::sync::Arc;

use cqrs_core::store::{Heads, Recorded};
use cqrs_core::{Position, Uuid};
use cqrs_kit::tail_cache::TailCache;

/// Maximum number and size of the events of this process that are kept for followers of the log: more
/// than what is appended while a projection commits a page.
const MAX_TAIL_EVENTS: usize = 8192;
const MAX_TAIL_BYTES: usize = 8 << 20;

/// The end of the log, for followers in this process.
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

    /// Publishes events that were committed.
    pub(crate) fn on_appended(&self, head: Position, events: impl IntoIterator<Item = Recorded>) {
        if self.heads.is_watched() {
            self.recent.add(events);
        }
        self.heads.advance(head);
    }

    /// Publishes a head that was read, and so the appends of other processes.
    pub(crate) fn on_head_observed(&self, head: Position) {
        self.recent.confirm(head);
        self.heads.advance(head);
    }
}
