use std::collections::VecDeque;
use std::sync::Arc;

use super::read_ahead::ReadAhead;
use super::{
    BoxFuture, EventData, EventLog, EventPage, EventQuery, FoldReads, Position, ReadRange,
    Recorded, StoreError,
};

type ReadPage<'s, E> =
    dyn Fn(ReadRange) -> BoxFuture<'s, Result<EventPage<E>, StoreError>> + Send + Sync + 's;

/// Events of one read, all of one snapshot, fetched a page at a time.
pub struct Events<'s, E = Arc<Recorded>> {
    read: Box<ReadPage<'s, E>>,
    range: ReadRange,
    page: VecDeque<E>,
    /// The next page, while the events of this one are taken.
    ahead: Option<ReadAhead<'s, E>>,
    is_last: bool,
}

impl<'s> Events<'s> {
    /// The matching events in the range, in position order.
    pub fn read<L: EventLog + ?Sized>(log: &'s L, query: EventQuery, range: ReadRange) -> Self {
        Self::new(range, move |range| log.read(query.clone(), range))
    }
}

impl<'s> Events<'s, (Position, EventData)> {
    /// The matching events in the range for a fold: see [`FoldReads`].
    pub fn read_to_fold(reads: &'s dyn FoldReads, query: EventQuery, range: ReadRange) -> Self {
        Self::new(range, move |range| reads.read_to_fold(query.clone(), range))
    }
}

impl<'s, E> Events<'s, E> {
    fn new(
        range: ReadRange,
        read: impl Fn(ReadRange) -> BoxFuture<'s, Result<EventPage<E>, StoreError>> + Send + Sync + 's,
    ) -> Self {
        Self {
            read: Box::new(read),
            range,
            page: VecDeque::new(),
            ahead: None,
            is_last: false,
        }
    }

    /// The next event, `None` after the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next(&mut self) -> Result<Option<E>, StoreError> {
        while self.page.is_empty() && !self.is_last {
            let ahead = match self.ahead.take() {
                Some(ahead) => ahead,
                None => ReadAhead::begin((self.read)(self.range)),
            };
            let page = ahead.finish().await?;
            self.range.up_to = Some(page.as_of);
            match page.next {
                Some(next) => {
                    self.range.after = next;
                    self.ahead = Some(ReadAhead::begin((self.read)(self.range)));
                }
                None => self.is_last = true,
            }
            self.page = page.events.into();
        }
        Ok(self.page.pop_front())
    }

    /// The head that the read saw; known once `next` was called.
    pub fn as_of(&self) -> Option<Position> {
        self.range.up_to
    }
}
