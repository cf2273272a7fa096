use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::store::ReadRange;

/// How large the events were that were read last, in bytes.
///
/// A page takes no more rows than it has room for, but what a statement selects, the server sends
/// to the end. So statements ask for about as many events as a page has room for.
#[derive(Debug, Default)]
pub(crate) struct EventSizes(AtomicUsize);

impl EventSizes {
    /// The range with no more events than are likely to fit into its bytes.
    pub(crate) fn fit(&self, range: ReadRange) -> ReadRange {
        let size = self.0.load(Ordering::Relaxed).max(1);
        let limit = range.limit.min(range.bytes / size).max(1);
        ReadRange { limit, ..range }
    }

    /// Learns from a page of this range: grows at once, and shrinks by half with each page of
    /// smaller events. Whether so much of the answer is left on the connection that a new one is
    /// cheaper.
    pub(crate) fn record(
        &self,
        range: ReadRange,
        sizes: impl ExactSizeIterator<Item = usize>,
        is_cut: bool,
    ) -> bool {
        let count = sizes.len();
        let Some(mean) = sizes.sum::<usize>().checked_div(count) else {
            return false;
        };
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(mean.max(before / 2), Ordering::Relaxed);
        let unread = range.limit.saturating_sub(count);
        is_cut && unread.saturating_mul(mean) > ReadRange::PAGE_BYTES
    }
}
