use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cqrs_core::Position;
use cqrs_core::store::{Heads, Incarnation, Recorded};
use cqrs_kit::tail_cache::TailCache;
use tokio::sync::watch;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::fault::{Fault, Kind};
use crate::row::{self, Head, number};
use crate::sql::Sql;

/// What this process knows about the end of the log. Tells watchers when it changes.
///
/// The lock of the landmark orders everything here: tail, head and landmark change together, so a
/// follower never sees a head of one incarnation with events of another.
#[derive(Clone)]
pub(crate) struct LogTail {
    /// The head, for watchers in this process.
    pub(crate) heads: Heads,
    /// The last position that this process wrote, for the notification of other processes.
    pub(crate) written: watch::Sender<Position>,
    /// The events that this process wrote, for watchers.
    pub(crate) recent: Arc<TailCache>,
    landmark: Arc<Mutex<Landmark>>,
}

/// An event by which the log is recognized. A log with another event at that position, or none, does
/// not continue the known one.
#[derive(Clone, Copy, Debug)]
struct Landmark {
    incarnation: Incarnation,
    store: Uuid,
    position: Position,
    /// `None` at the start of the log.
    event: Option<Uuid>,
}

/// The head of the log as a statement saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenHead {
    pub(crate) store: Uuid,
    pub(crate) position: Position,
    /// The id of the last event; `None` when there is none.
    pub(crate) event: Option<Uuid>,
}

impl SeenHead {
    /// From a row of `recognize.sql`.
    pub(crate) fn of(row: &Row) -> Result<Self, Fault> {
        let head = row::head(row)?;
        Ok(Self {
            store: head.store,
            position: head.position,
            event: row.try_get(5)?,
        })
    }
}

impl LogTail {
    /// From the row of `recognize.sql` for position 0, on the first connection.
    pub(crate) fn new(row: &Row, window: usize, bytes: usize) -> Result<(Self, Head), Fault> {
        let head = row::head(row)?;
        let tail = Self {
            heads: Heads::new(head.position).of_log(head.store),
            written: watch::Sender::new(head.position),
            recent: Arc::new(TailCache::new(head.position, window, bytes)),
            landmark: Arc::new(Mutex::new(Landmark {
                incarnation: Incarnation::default(),
                store: head.store,
                position: head.position,
                event: row.try_get(5)?,
            })),
        };
        Ok((tail, head))
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.landmark().incarnation
    }

    pub(crate) fn store(&self) -> Uuid {
        self.landmark().store
    }

    /// Checks whether the log of a new connection continues the known one. If not, everything that is
    /// known is dropped, and a new incarnation begins. Returns the incarnation of the connection.
    pub(crate) async fn recognize(&self, client: &Client, sql: &Sql) -> Result<Incarnation, Fault> {
        loop {
            let landmark = *self.landmark();
            let position = number(landmark.position);
            let row = client.query_one(&sql.recognize, &[&position]).await?;
            let (head, event): (Head, Option<Uuid>) = (row::head(&row)?, row.try_get(4)?);
            let is_continued = head.store == landmark.store
                && head.position >= landmark.position
                && event == landmark.event;
            if is_continued {
                return Ok(landmark.incarnation);
            }
            let next = Landmark {
                incarnation: landmark.incarnation.next(),
                store: head.store,
                position: head.position,
                event: row.try_get(5)?,
            };
            if self.replace(landmark.incarnation, next) {
                return Ok(next.incarnation);
            }
            // Another connection was faster: compare with the log that it has found.
        }
    }

    /// Refuses a new connection to a copy whose event at the last known position is not that of the
    /// known log. A copy that has not come that far yet is accepted: nothing tells whether it will.
    /// Returns the incarnation of the log that it was compared with.
    pub(crate) async fn recognize_copy(
        &self,
        client: &Client,
        sql: &Sql,
    ) -> Result<Incarnation, Fault> {
        let landmark = *self.landmark();
        let position = number(landmark.position);
        let row = client.query_one(&sql.recognize, &[&position]).await?;
        let (copy, event): (Head, Option<Uuid>) = (row::head(&row)?, row.try_get(4)?);
        let is_behind = copy.position < landmark.position;
        if copy.store == landmark.store && (is_behind || event == landmark.event) {
            return Ok(landmark.incarnation);
        }
        Err(Fault::new(
            Kind::Refused,
            format!(
                "`read_url` leads to a copy of another log: its event at position {} is not the one \
                 that the URL leads to. After a failover, set up the replica from the new primary",
                landmark.position
            ),
        ))
    }

    /// Publishes events that were committed in this incarnation.
    pub(crate) fn on_appended(
        &self,
        incarnation: Incarnation,
        head: Position,
        events: impl IntoIterator<Item = Recorded>,
    ) {
        let mut landmark = self.landmark();
        if landmark.incarnation != incarnation {
            return;
        }
        let events = events.into_iter().inspect(|event| {
            if event.position > landmark.position {
                landmark.position = event.position;
                landmark.event = Some(event.meta.id.as_uuid());
            }
        });
        if self.heads.is_watched() {
            self.recent.add(events);
        } else {
            events.for_each(drop);
        }
        self.heads.advance(head);
        self.written.send_if_modified(|written| {
            let is_later = head > *written;
            *written = head.max(*written);
            is_later
        });
    }

    /// Takes in a head that was read on a connection of this incarnation. Returns whether it can be the
    /// head of the known log; if not, the log has to be [recognized](LogTail::recognize) again.
    pub(crate) fn observe(&self, incarnation: Incarnation, seen: &SeenHead) -> bool {
        let mut landmark = self.landmark();
        if seen.store != landmark.store || incarnation != landmark.incarnation {
            return false;
        }
        // A lower head is an outdated answer, not a shorter log.
        if seen.position == landmark.position {
            return seen.event == landmark.event;
        }
        if seen.position > landmark.position {
            landmark.position = seen.position;
            landmark.event = seen.event;
            self.heads.advance(seen.position);
        }
        true
    }

    /// Switches to another log, unless that was done already.
    fn replace(&self, known: Incarnation, next: Landmark) -> bool {
        let mut landmark = self.landmark();
        if landmark.incarnation != known {
            return false;
        }
        *landmark = next;
        self.recent.restart(next.position);
        self.written.send_replace(next.position);
        // Wakes all watchers, which then notice that the log was replaced.
        self.heads.replace(next.store, next.position);
        true
    }

    /// No other code runs while the lock is held, so a poisoned lock still guards consistent data.
    fn landmark(&self) -> MutexGuard<'_, Landmark> {
        self.landmark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
