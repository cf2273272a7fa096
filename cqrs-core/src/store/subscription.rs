use std::collections::VecDeque;
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::read_ahead::ReadAhead;
use super::{EventQuery, EventStore, Incarnation, Page, Position, ReadRange, Recorded, StoreError};

/// How often a subscription looks for events of other processes, which nothing announces here.
const POLL: Duration = Duration::from_millis(250);

/// Events of one read, all of one snapshot, fetched a page at a time.
pub struct Events<'s, S: ?Sized> {
    store: &'s S,
    query: EventQuery,
    range: ReadRange,
    /// Whether a fold takes them.
    to_fold: bool,
    page: VecDeque<Arc<Recorded>>,
    /// The next page, while the events of this one are taken.
    ahead: Option<ReadAhead<'s>>,
    is_last: bool,
}

impl<'s, S: EventStore + ?Sized> Events<'s, S> {
    /// The matching events in the range, in position order.
    pub fn read(store: &'s S, query: EventQuery, range: ReadRange) -> Self {
        Self {
            store,
            query,
            range,
            to_fold: false,
            page: VecDeque::new(),
            ahead: None,
            is_last: false,
        }
    }

    /// The same with what [`EventStore::read_to_fold`] says is there.
    pub fn read_to_fold(store: &'s S, query: EventQuery, range: ReadRange) -> Self {
        Self {
            to_fold: true,
            ..Self::read(store, query, range)
        }
    }

    /// The next event, `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Arc<Recorded>>, StoreError> {
        while self.page.is_empty() && !self.is_last {
            let (store, query) = (self.store, &self.query);
            let begin = |range| {
                ReadAhead::begin(if self.to_fold {
                    store.read_to_fold(query.clone(), range)
                } else {
                    store.read(query.clone(), range)
                })
            };
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
    incarnation: Incarnation,
    news: watch::Receiver<Position>,
    /// What was read and not delivered yet.
    page: Option<Page>,
    /// What comes after that, while more is there.
    ahead: Option<ReadAhead<'static>>,
    /// All that this process has appended was delivered from memory: there is nothing to read
    /// before there is news.
    rests: bool,
}

impl Subscription {
    /// Delivers the events after `from`.
    pub fn new(store: Arc<dyn EventStore>, query: EventQuery, from: Position) -> Self {
        let news = store.watch();
        Self {
            incarnation: store.incarnation(),
            store,
            query,
            position: from,
            news,
            page: None,
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
    /// [`StoreError::Rewound`] when the log ends before the subscription's position, or was
    /// replaced since the subscription began: see [`Incarnation`].
    pub async fn next(&mut self, limit: usize) -> Result<Page, StoreError> {
        // With none at all, events would count as delivered that were not.
        let limit = limit.max(1);
        loop {
            let page = self.look(limit).await?;
            // Also what is in memory or was read ahead may be of a log that was replaced.
            if self.store.incarnation() != self.incarnation {
                return Err(StoreError::Rewound {
                    head: *self.news.borrow(),
                    seen: self.position,
                });
            }
            if let Some(page) = page {
                let reached = page.next.unwrap_or(page.as_of);
                if reached > self.position {
                    self.position = reached;
                    return Ok(page);
                }
            }
            // Either is a reason to look again: the store's word, or time for other processes'.
            let _ = tokio::time::timeout(POLL, self.news.changed()).await;
        }
    }

    /// What is there after the position; `None` if that is nothing, as far as this process knows.
    async fn look(&mut self, limit: usize) -> Result<Option<Page>, StoreError> {
        if let Some(page) = self.page.take() {
            return Ok(Some(self.cut(page, limit)));
        }
        self.news.mark_unchanged();
        // Not in place of a page that is being read.
        if self.ahead.is_none()
            && let Some(page) = self.store.recent(&self.query, self.position, limit)
        {
            self.rests = page.next.is_none();
            return Ok(Some(page));
        }
        // What is announced and not in memory, another process wrote.
        let is_all = take(&mut self.rests) && *self.news.borrow() <= self.position;
        if is_all {
            return Ok(None);
        }
        let page = self.fetch().await?;
        Ok(Some(self.cut(page, limit)))
    }

    async fn fetch(&mut self) -> Result<Page, StoreError> {
        let ahead = self.ahead.take();
        let ahead = ahead.unwrap_or_else(|| self.read(self.position));
        let page = ahead.finish().await?;
        if page.as_of < self.position {
            return Err(StoreError::Rewound {
                head: page.as_of,
                seen: self.position,
            });
        }
        self.ahead = page.next.map(|next| self.read(next));
        Ok(page)
    }

    /// As much of the page as is wanted; the rest is for later.
    fn cut(&mut self, mut page: Page, limit: usize) -> Page {
        if page.events.len() <= limit {
            return page;
        }
        let rest = Page {
            events: page.events.split_off(limit),
            ..page
        };
        page.next = page.events.last().map(|event| event.position);
        self.page = Some(rest);
        page
    }

    /// Begins to read what comes after a position: large pages, however many are wanted at once.
    fn read(&self, after: Position) -> ReadAhead<'static> {
        let (store, query) = (self.store.clone(), self.query.clone());
        let range = ReadRange::after(after);
        ReadAhead::begin(Box::pin(async move { store.read(query, range).await }))
    }
}
