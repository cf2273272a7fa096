use std::pin::Pin;

use cqrs_core::Position;
use cqrs_core::store::ReadRange;
use futures_util::TryStreamExt;
use tokio_postgres::{Row, RowStream};

use crate::fault::Fault;
use crate::row;

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
    /// Whether other events follow in the range.
    is_cut: bool,
    is_ended: bool,
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
            is_ended: false,
        }
    }

    /// The next event and its position. `None` once the page is full, or there are no more in the range.
    ///
    /// Each statement sorts its events, but PostgreSQL does not promise the order of several selects
    /// together. A page that ends early must not skip an event, so the order is checked.
    pub(crate) async fn next(&mut self) -> Result<Option<(Position, Row)>, Fault> {
        // The head may come after events that are not in the page, which ends only when it has been seen.
        while !(self.is_ended && self.head.is_some()) {
            let Some(row) = self.rows.try_next().await? else {
                break;
            };
            if (self.is_head)(&row)? {
                self.head = Some(row);
                continue;
            }
            if self.is_ended {
                continue;
            }
            let position = row::position(&row, 0)?;
            if self.last.is_some_and(|last| last >= position) {
                let error = format!("the event at position {position} was read out of order");
                return Err(Fault::corrupt(error));
            }
            let is_within = self.room.up_to.is_none_or(|up_to| position <= up_to);
            if is_within && !self.room.is_full() {
                self.last = Some(position);
                return Ok(Some((position, row)));
            }
            self.is_cut = is_within;
            self.is_ended = true;
        }
        Ok(None)
    }

    /// Counts the event that was read last, of this size in bytes.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.room.take(bytes);
        self.bytes += bytes;
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
