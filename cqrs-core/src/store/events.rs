use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::read_ahead::ReadAhead;
use super::recorded_filter::RecordedFilter;
use super::{
    BoxFuture, EventData, EventLog, EventPage, EventQuery, FoldReads, Position, ReadRange,
    Recorded, StoreError,
};

type ReadPage<'s, E> =
    dyn Fn(ReadRange) -> BoxFuture<'s, Result<EventPage<E>, StoreError>> + Send + Sync + 's;

/// The events of one read, in one snapshot, fetched page by page.
pub struct Events<'s, E = Arc<Recorded>> {
    read: Box<ReadPage<'s, E>>,
    range: ReadRange,
    page: VecDeque<E>,
    /// The next page, read in advance while the events of this one are taken.
    ahead: Option<ReadAhead<'s, E>>,
    is_last: bool,
}

impl<'s> Events<'s> {
    /// Reads the matching events in the range, in position order.
    pub fn read<L: EventLog + ?Sized>(log: &'s L, query: EventQuery, range: ReadRange) -> Self {
        Self::new(range, move |range| log.read(query.clone(), range))
    }

    /// As [`read`](Self::read), only those that the filter includes.
    pub(crate) fn filtered<L: EventLog + ?Sized>(
        log: &'s L,
        query: EventQuery,
        range: ReadRange,
        filter: RecordedFilter,
    ) -> Self {
        let shared = Arc::new((filter, OnceCell::new()));
        Self::new(range, move |range| {
            let (query, shared) = (query.clone(), shared.clone());
            Box::pin(async move {
                let (filter, bounds) = &*shared;
                let bounds = bounds.get_or_try_init(|| filter.time_bounds(log)).await?;
                let narrowed = bounds.narrow(range);
                let mut page = log.read(query, narrowed).await?;
                filter.retain(&mut page);
                Ok(page)
            })
        })
    }
}

impl<'s> Events<'s, (Position, EventData)> {
    /// Reads the matching events in the range for a fold. See [`FoldReads`].
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
            // The first page fixes the head for all others, so that they are of one snapshot.
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

    /// The head that the read saw. `None` before the first call of `next`, unless the range has an
    /// end.
    pub fn as_of(&self) -> Option<Position> {
        self.range.up_to
    }
}
