use std::pin::Pin;

use cqrs_core::Position;
use futures_util::TryStreamExt;
use tokio_postgres::{Row, RowStream};

use crate::fault::Fault;

/// The rows of a page of events, taken while the server works on the next ones.
///
/// The statement selects the head in the same snapshot, as a row without an event type. Its place
/// among the events is not defined.
pub(crate) struct PageRows<'r> {
    rows: Pin<&'r mut RowStream>,
    type_column: usize,
    last: Option<Position>,
    is_full: bool,
    head: Option<Row>,
    is_cut: bool,
}

impl<'r> PageRows<'r> {
    pub(crate) fn new(rows: Pin<&'r mut RowStream>, type_column: usize) -> Self {
        Self {
            rows,
            type_column,
            last: None,
            is_full: false,
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
            let event_type: Option<&str> = row.try_get(self.type_column)?;
            if event_type.is_none() {
                self.head = Some(row);
            } else if self.is_full {
                self.is_cut = true;
            } else {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Counts an event of the page. `is_full` tells whether the page has room for no other.
    ///
    /// Each statement sorts its events, but PostgreSQL does not promise the order of several selects
    /// together. A page that ends early must not skip an event, so the order is checked.
    pub(crate) fn take(&mut self, position: Position, is_full: bool) -> Result<(), Fault> {
        if self.last.is_some_and(|last| last >= position) {
            let error = format!("the event at position {position} was read out of order");
            return Err(Fault::corrupt(error));
        }
        self.last = Some(position);
        self.is_full = is_full;
        Ok(())
    }

    /// The row with the head, and the position of the last event if others follow that were sent.
    pub(crate) fn end(self) -> Result<(Row, Option<Position>), Fault> {
        let head = self
            .head
            .ok_or_else(|| Fault::corrupt("the table `head` has no row"))?;
        Ok((head, self.last.filter(|_| self.is_cut)))
    }
}
