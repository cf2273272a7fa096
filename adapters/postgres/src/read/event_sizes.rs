use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::store::ReadRange;

/// The size of recently read events, in bytes.
///
/// A page takes no more rows than it has room for, but the server sends everything that a statement
/// selects. So statements ask for about as many events as a page has room for.
#[derive(Debug, Default)]
pub(crate) struct EventSizes(AtomicUsize);

impl EventSizes {
    /// The range, limited to the number of events that are likely to fit into its bytes.
    pub(crate) fn fit(&self, range: ReadRange) -> ReadRange {
        let size = self.mean().max(1);
        let limit = range.limit.min(range.bytes / size).max(1);
        ReadRange { limit, ..range }
    }

    /// The estimated size of an event, 0 before any was read.
    pub(crate) fn mean(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns from a page of this range, by its number of events and their size. The estimate grows at once,
    /// and shrinks by at most half with each page of smaller events. Returns whether so much of the answer is
    /// unread that a new connection is cheaper than reading it.
    pub(crate) fn record(
        &self,
        range: ReadRange,
        (count, bytes): (usize, usize),
        is_cut: bool,
    ) -> bool {
        let Some(mean) = bytes.checked_div(count) else {
            return false;
        };
        let before = self.mean();
        self.0.store(mean.max(before / 2), Ordering::Relaxed);
        let unread = range.limit.saturating_sub(count);
        is_cut && unread.saturating_mul(mean) > ReadRange::PAGE_BYTES
    }
}
