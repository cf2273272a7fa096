use std::sync::Arc;

use super::{Position, Recorded, StoreError};

/// The part of the log to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRange {
    /// The position before the range.
    pub after: Position,
    /// The last position of the range. `None` for the head at the time of the read.
    pub up_to: Option<Position>,
    /// Maximum number of events. Read more with `after` set to [`EventPage::next`]. 0 counts as 1.
    pub limit: usize,
    /// Maximum size in bytes, by [`Recorded::size`]. The page ends with the event that reaches it,
    /// so it exceeds the limit by at most one event, and a single large event still fits. A store
    /// may end a page of large events earlier; [`EventPage::next`] says so.
    pub bytes: usize,
}

impl ReadRange {
    /// Default number of events per page.
    pub const PAGE: usize = 2048;

    /// Default size of a page: 8 MiB.
    pub const PAGE_BYTES: usize = 8 << 20;

    /// The range of everything after `after`, in pages of [`ReadRange::PAGE`] events and
    /// [`ReadRange::PAGE_BYTES`] bytes.
    pub fn after(after: Position) -> Self {
        Self {
            after,
            up_to: None,
            limit: Self::PAGE,
            bytes: Self::PAGE_BYTES,
        }
    }

    /// The room of a page that a store fills: as this range, for one event at least. The store
    /// [takes](Self::take) events from it one by one.
    #[must_use]
    pub fn room(self) -> Self {
        Self {
            limit: self.limit.max(1),
            bytes: self.bytes.max(1),
            ..self
        }
    }

    /// Whether a page of this [`room`](Self::room) takes no further event.
    pub fn is_full(&self) -> bool {
        self.limit == 0 || self.bytes == 0
    }

    /// Takes an event of this size in bytes from the [`room`](Self::room).
    pub fn take(&mut self, bytes: usize) {
        self.limit = self.limit.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// A page of events.
#[derive(Clone, Debug)]
pub struct EventPage<E = Arc<Recorded>> {
    /// The events, in position order.
    pub events: Vec<E>,
    /// The head that the read saw, or `up_to` if that was lower.
    pub as_of: Position,
    /// The position at which the next page continues, if a limit of the range ended this one. Pass
    /// it as `after`, with `up_to` set to `as_of` to stay in the same snapshot.
    pub next: Option<Position>,
}

/// Checks that a read has seen the log up to a position that is known to be in it. Otherwise, it may have read up to a
/// head that this process knew before, and what it has not found may be there.
///
/// # Errors
/// [`StoreError::Rewound`], after which another read may see more.
pub(crate) fn check_seen(as_of: Position, known: Position) -> Result<(), StoreError> {
    if as_of >= known {
        return Ok(());
    }
    Err(StoreError::Rewound {
        head: as_of,
        seen: known,
    })
}
