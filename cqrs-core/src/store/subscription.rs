use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{EventQuery, EventStore, Page, Position, ReadRange, Recorded, StoreError};

/// How often a subscription looks for events of other processes, which nothing announces here.
const POLL: Duration = Duration::from_millis(250);

/// Events of one read, all of one snapshot, fetched a page at a time.
pub struct Events<'s, S: ?Sized> {
    store: &'s S,
    query: EventQuery,
    range: ReadRange,
    page: VecDeque<Arc<Recorded>>,
    done: bool,
}

impl<'s, S: EventStore + ?Sized> Events<'s, S> {
    /// The matching events in the range, in position order.
    pub fn read(store: &'s S, query: EventQuery, range: ReadRange) -> Self {
        Self {
            store,
            query,
            range,
            page: VecDeque::new(),
            done: false,
        }
    }

    /// The next event, `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Arc<Recorded>>, StoreError> {
        while self.page.is_empty() && !self.done {
            let page = self.store.read(self.query.clone(), self.range).await?;
            self.range.up_to = Some(page.as_of);
            match page.next {
                Some(next) => self.range.after = next,
                None => self.done = true,
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

/// Delivers matching events in position order from a position on, and waits for more at the end.
pub struct Subscription {
    store: Arc<dyn EventStore>,
    query: EventQuery,
    position: Position,
    news: watch::Receiver<Position>,
}

impl Subscription {
    /// Delivers the events after `from`.
    pub fn new(store: Arc<dyn EventStore>, query: EventQuery, from: Position) -> Self {
        let news = store.watch();
        Self {
            store,
            query,
            position: from,
            news,
        }
    }

    /// Everything up to this position has been delivered.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next page, at most `limit` events; waits until the log has grown, and may be empty
    /// when nothing in the new part matched. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`StoreError::Rewound`] when the log ends before the subscription's position.
    pub async fn next(&mut self, limit: usize) -> Result<Page, StoreError> {
        loop {
            self.news.mark_unchanged();
            let range = ReadRange {
                after: self.position,
                up_to: None,
                // With none at all, events would count as delivered that were not.
                limit: limit.max(1),
            };
            let page = self.store.read(self.query.clone(), range).await?;
            if page.as_of < self.position {
                return Err(StoreError::Rewound {
                    head: page.as_of,
                    seen: self.position,
                });
            }
            let reached = page.next.unwrap_or(page.as_of);
            if reached > self.position {
                self.position = reached;
                return Ok(page);
            }
            // Either is a reason to look again: the store's word, or time for other processes'.
            let _ = tokio::time::timeout(POLL, self.news.changed()).await;
        }
    }
}
