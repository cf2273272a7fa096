use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{Recorded, TailCache, announce};
use tokio::sync::watch;

/// How many of the events that this process wrote stay in memory for those who follow the log, and
/// how many bytes they take: more than what comes while a projection commits a page.
const MAX_TAIL_EVENTS: usize = 8192;
const MAX_TAIL_BYTES: usize = 8 << 20;

/// What those are told who follow the log in this process.
#[derive(Clone)]
pub(crate) struct LogTail {
    /// The last known head.
    pub(crate) known: watch::Sender<Position>,
    /// What this process wrote.
    pub(crate) recent: Arc<TailCache>,
}

impl LogTail {
    /// `window` is how many events may be kept in memory.
    pub(crate) fn new(head: Position, window: usize) -> Self {
        Self {
            known: watch::Sender::new(head),
            recent: Arc::new(TailCache::new(
                head,
                window.min(MAX_TAIL_EVENTS),
                MAX_TAIL_BYTES,
            )),
        }
    }

    /// Tells of what was written and committed.
    pub(crate) fn on_appended(&self, head: Position, events: impl IntoIterator<Item = Recorded>) {
        if self.known.receiver_count() > 0 {
            self.recent.add(events);
        }
        announce(&self.known, head);
    }

    /// Tells of a head that was looked up, and so of what other processes wrote.
    pub(crate) fn on_head_observed(&self, head: Position) {
        self.recent.confirm(head);
        announce(&self.known, head);
    }
}
