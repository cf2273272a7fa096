use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ahead::Ahead;
use super::{EventQuery, EventStore, Page, Position, ReadRange, Recorded, StoreError};

/// How often a subscription looks for events of other processes, which nothing announces here.
const POLL: Duration = Duration::from_millis(250);

/// Events of one read, all of one snapshot, fetched a page at a time.
pub struct Events<'s, S: ?Sized> {
    store: &'s S,
    query: EventQuery,
    range: ReadRange,
    page: VecDeque<Arc<Recorded>>,
    /// The next page, while the events of this one are taken.
    ahead: Option<Ahead<'s>>,
    is_last: bool,
}

impl<'s, S: EventStore + ?Sized> Events<'s, S> {
    /// The matching events in the range, in position order.
    pub fn read(store: &'s S, query: EventQuery, range: ReadRange) -> Self {
        Self {
            store,
            query,
            range,
            page: VecDeque::new(),
            ahead: None,
            is_last: false,
        }
    }

    /// The next event, `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Arc<Recorded>>, StoreError> {
        while self.page.is_empty() && !self.is_last {
            let begin = |range| Ahead::begin(self.store.read(self.query.clone(), range));
            let ahead = self.ahead.take().unwrap_or_else(|| begin(self.range));
            let page = ahead.finish().await?;
            self.range.up_to = Some(page.as_of);
            self.is_last = page.next.is_none();
            self.range.after = page.next.unwrap_or(self.range.after);
            self.ahead = (!self.is_last).then(|| begin(self.range));
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
    /// The next page, while more is there than what was delivered.
    ahead: Option<Ahead<'static>>,
    /// All that this process has appended was delivered from memory: there is nothing to read
    /// before there is news.
    rests: bool,
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
            ahead: None,
            rests: false,
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
        // With none at all, events would count as delivered that were not.
        let limit = limit.max(1);
        loop {
            self.news.mark_unchanged();
            if let Some(page) = self.in_memory(limit) {
                self.position = page.next.unwrap_or(page.as_of);
                self.rests = page.next.is_none();
                return Ok(page);
            }
            // What is announced and not in memory, another process wrote.
            let is_all = std::mem::take(&mut self.rests) && *self.news.borrow() <= self.position;
            if !is_all {
                let ahead = self.ahead.take().unwrap_or_else(|| self.read(limit));
                let page = ahead.finish().await?;
                if page.as_of < self.position {
                    return Err(StoreError::Rewound {
                        head: page.as_of,
                        seen: self.position,
                    });
                }
                let reached = page.next.unwrap_or(page.as_of);
                if reached > self.position {
                    self.position = reached;
                    self.ahead = page.next.map(|_| self.read(limit));
                    return Ok(page);
                }
            }
            // Either is a reason to look again: the store's word, or time for other processes'.
            let _ = tokio::time::timeout(POLL, self.news.changed()).await;
        }
    }

    /// The next page, if this process has appended it itself. Not in place of one that is being
    /// read.
    fn in_memory(&self, limit: usize) -> Option<Page> {
        if self.ahead.is_some() {
            return None;
        }
        self.store.recent(&self.query, self.position, limit)
    }

    /// Begins to read what comes after the position.
    fn read(&self, limit: usize) -> Ahead<'static> {
        let (store, query) = (self.store.clone(), self.query.clone());
        let range = ReadRange {
            after: self.position,
            up_to: None,
            limit,
        };
        Ahead::begin(Box::pin(async move { store.read(query, range).await }))
    }
}
