use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::shared_reads::{Membership, SharedReads};
use super::{
    EventLog, EventLogExt as _, EventPage, EventQuery, HeadWatch, Incarnation, Position, StoreError,
};

/// How often a subscription polls for events of other processes, which send no notification.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Delivers matching events in position order, starting after a position, and waits for more at the
/// end of the log.
pub struct Subscription {
    log: Arc<dyn EventLog>,
    query: EventQuery,
    position: Position,
    incarnation: Incarnation,
    heads: HeadWatch,
    /// Events that were read and not yet delivered.
    page: Option<EventPage>,
    /// Reads the log, ahead of what is delivered.
    reads: Membership,
    /// Whether everything up to the head was delivered. Nothing has to be read then until the known head
    /// advances, or a look finds another one.
    is_idle: bool,
}

impl Subscription {
    /// Creates a subscription that delivers the events after `from`.
    pub fn new(log: Arc<dyn EventLog>, query: EventQuery, from: Position) -> Self {
        Self::sharing(&SharedReads::default(), log, query, from)
    }

    /// As [`new`](Self::new), for one of several subscriptions that share their reads of the log.
    pub(crate) fn sharing(
        reads: &SharedReads,
        log: Arc<dyn EventLog>,
        query: EventQuery,
        from: Position,
    ) -> Self {
        let heads = log.heads().watch();
        Self {
            incarnation: heads.incarnation(),
            reads: reads.join(&query, from),
            log,
            query,
            position: from,
            heads,
            page: None,
            is_idle: false,
        }
    }

    /// The position up to which everything has been delivered.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the next page of at most `limit` events. Waits until the log has grown; the page is
    /// empty if no new event matches. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`StoreError::Rewound`] when the log ends before the subscription's position, or was
    /// replaced since the subscription began: see [`Incarnation`].
    pub async fn next(&mut self, limit: usize) -> Result<EventPage, StoreError> {
        loop {
            if let Some(page) = self.poll(limit).await? {
                return Ok(page);
            }
        }
    }

    /// As [`next`](Self::next), but returns `None` once it has waited until it is time to look
    /// again: after an append of this process, or to poll for appends of others.
    pub(crate) async fn poll(&mut self, limit: usize) -> Result<Option<EventPage>, StoreError> {
        // With a limit of 0, undelivered events would count as delivered.
        let page = self.look(limit.max(1)).await?;
        // Events in memory or read ahead may also belong to a log that was replaced.
        if self.heads.incarnation() != self.incarnation {
            return Err(StoreError::Rewound {
                head: self.heads.position(),
                seen: self.position,
            });
        }
        if let Some(page) = page {
            let reached = page.next.unwrap_or(page.as_of);
            let has_more = page.next.is_some() || self.page.is_some();
            self.reads.moved(reached, has_more);
            if reached > self.position {
                self.position = reached;
                return Ok(Some(page));
            }
        }
        if timeout(POLL_INTERVAL, self.heads.changed()).await.is_err() {
            let log = &self.log;
            let head = log.heads().look(POLL_INTERVAL, log.head()).await?;
            // One that is lower was read earlier, or the log is shorter: a read tells.
            self.is_idle &= head == self.position;
        }
        Ok(None)
    }

    /// Events after the position; `None` if this process knows of none.
    async fn look(&mut self, limit: usize) -> Result<Option<EventPage>, StoreError> {
        if let Some(page) = self.page.take() {
            return Ok(Some(self.cut(page, limit)));
        }
        self.heads.mark_seen();
        if let Some(tail) = self.log.capabilities().tail
            && let Some(page) = tail.tail(&self.query, self.position, limit)
        {
            self.is_idle = page.next.is_none();
            return Ok(Some(page));
        }
        if self.is_idle && self.heads.position() <= self.position {
            return Ok(None);
        }
        let page = self.fetch().await?;
        self.is_idle = page.next.is_none();
        Ok(Some(self.cut(page, limit)))
    }

    async fn fetch(&mut self) -> Result<EventPage, StoreError> {
        let page = self
            .reads
            .page(&self.log, self.incarnation, self.position)
            .await?;
        if page.as_of < self.position {
            return Err(StoreError::Rewound {
                head: page.as_of,
                seen: self.position,
            });
        }
        Ok(page)
    }

    /// Cuts the page after `limit` events, and keeps the rest for the next call.
    fn cut(&mut self, mut page: EventPage, limit: usize) -> EventPage {
        if page.events.len() <= limit {
            return page;
        }
        let rest = EventPage {
            events: page.events.split_off(limit),
            ..page
        };
        page.next = page.events.last().map(|event| event.position);
        self.page = Some(rest);
        page
    }
}
