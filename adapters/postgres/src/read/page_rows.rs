use std::pin::Pin;

use cqrs_core::Position;
use cqrs_core::store::ReadRange;
use futures_util::TryStreamExt;
use tokio_postgres::{Row, RowStream};

use crate::fault::Fault;

/// Whether a row has the head and no event.
type IsHead = fn(&Row) -> Result<bool, tokio_postgres::Error>;

/// The rows of a page of events, taken while the server works on the next ones.
///
/// The statement selects the head in the same snapshot. The place of its row among the events is not
/// defined.
pub(crate) struct PageRows<'r> {
    rows: Pin<&'r mut RowStream>,
    is_head: IsHead,
    /// What is left of the range.
    room: ReadRange,
    bytes: usize,
    last: Option<Position>,
    head: Option<Row>,
    is_cut: bool,
}

/// What is known at the end of a page, beside its events.
pub(crate) struct PageEnd {
    /// The row with the head.
    pub(crate) head: Row,
    /// The position of the last event, if others follow that were sent.
    pub(crate) next: Option<Position>,
    /// The size of the events.
    pub(crate) bytes: usize,
}

impl<'r> PageRows<'r> {
    pub(crate) fn new(rows: Pin<&'r mut RowStream>, is_head: IsHead, range: ReadRange) -> Self {
        Self {
            rows,
            is_head,
            room: range.room(),
            bytes: 0,
            last: None,
            head: None,
            is_cut: false,
        }
    }

    /// The next event. `None` once the page is full, or there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Row>, Fault> {
        // The head may come after events for which there is no room, so a page that is cut ends only
        // when both have been seen.
        while !(self.is_cut && self.head.is_some()) {
            let Some(row) = self.rows.try_next().await? else {
                break;
            };
            if (self.is_head)(&row)? {
                self.head = Some(row);
            } else if self.room.is_full() {
                self.is_cut = true;
            } else {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Counts an event of this size in bytes.
    ///
    /// Each statement sorts its events, but PostgreSQL does not promise the order of several selects
    /// together. A page that ends early must not skip an event, so the order is checked.
    pub(crate) fn take(&mut self, position: Position, bytes: usize) -> Result<(), Fault> {
        if self.last.is_some_and(|last| last >= position) {
            let error = format!("the event at position {position} was read out of order");
            return Err(Fault::corrupt(error));
        }
        self.last = Some(position);
        self.room.take(bytes);
        self.bytes += bytes;
        Ok(())
    }

    pub(crate) fn end(self) -> Result<PageEnd, Fault> {
        let head = self
            .head
            .ok_or_else(|| Fault::corrupt("the table `head` has no row"))?;
        Ok(PageEnd {
            head,
            next: self.last.filter(|_| self.is_cut),
            bytes: self.bytes,
        })
    }
}
