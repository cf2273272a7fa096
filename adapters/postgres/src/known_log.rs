use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cqrs_core::Position;
use cqrs_core::store::{Heads, Incarnation, Recorded};
use cqrs_kit::tail::LogTail;
use cqrs_kit::tail_cache::TailCache;
use tokio::sync::watch;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::fault::{Fault, Kind};
use crate::incarnations::Incarnations;
use crate::row::{self, Head, number};
use crate::sql::{FLUSH, Sql};

/// The log as this process knows it: its end, and a landmark by which new connections recognize it.
///
/// Another server may answer behind the same URL, such as a promoted replica or a restored backup,
/// and its log may lack events that this process has acted on. So every new connection compares the
/// log with the landmark. The first connection to another log begins a new incarnation, in which
/// nothing that is known of the old log counts.
///
/// The lock of the landmark orders all changes: landmark, head and events in memory change together,
/// so a follower never sees the head of one incarnation with the events of another.
///
/// Everything up to the known head is durable (I7). Another process may commit without waiting for the
/// disk, so the end of its log can be seen before. That is not published, nor made the landmark: a crash
/// of the server may take it back, and the log would be taken for another one.
///
/// Views have an incarnation of their own, which is over whenever that of the log is, and after each
/// crash of the server, which may take back commits of views.
#[derive(Clone)]
pub(crate) struct KnownLog {
    tail: LogTail,
    views: Arc<Mutex<KnownViews>>,
    /// The last position that this process wrote, of which it notifies other processes.
    pub(crate) written: watch::Sender<Position>,
    landmark: Arc<Mutex<Landmark>>,
}

/// An event that identifies the log. A log with another event at this position, or with none, does
/// not continue the known one: events are never changed or removed.
#[derive(Clone, Copy, Debug)]
struct Landmark {
    incarnation: Incarnation,
    store: Uuid,
    position: Position,
    /// `None` at the start of the log.
    event: Option<Uuid>,
}

/// The views as this process knows them.
#[derive(Debug, Default)]
struct KnownViews {
    incarnation: Incarnation,
    /// `None` if it is not known.
    crash_marker: Option<CrashMarker>,
}

/// A value of a server that changes with each crash: a row that a crash removes, and the server's
/// start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CrashMarker {
    marker: Uuid,
    started: SystemTime,
}

/// The head of the log in the snapshot of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenHead {
    pub(crate) store: Uuid,
    pub(crate) position: Position,
    /// The id of the last event. `None` in an empty log.
    pub(crate) event: Option<Uuid>,
    /// Whether all events of the snapshot are durable, as far as the statement could tell.
    pub(crate) is_durable: bool,
}

impl SeenHead {
    /// From a row of `recognize.sql`.
    pub(crate) fn of(row: &Row) -> Result<Self, Fault> {
        let head = row::head(row)?;
        Ok(Self {
            store: head.store,
            position: head.position,
            event: row.try_get(6)?,
            is_durable: row.try_get("is_durable")?,
        })
    }
}

impl KnownLog {
    /// From the row of `recognize.sql` for position 0 and the crash marker, on the first connection. Its
    /// head is durable.
    pub(crate) fn new(
        row: &Row,
        crash_marker: Option<CrashMarker>,
        window: usize,
    ) -> Result<(Self, Head), Fault> {
        let head = row::head(row)?;
        let log = Self {
            views: Arc::new(Mutex::new(KnownViews {
                incarnation: Incarnation::default(),
                crash_marker,
            })),
            tail: LogTail::new(head.store, head.position, window),
            written: watch::Sender::new(head.position),
            landmark: Arc::new(Mutex::new(Landmark {
                incarnation: Incarnation::default(),
                store: head.store,
                position: head.position,
                event: row.try_get(6)?,
            })),
        };
        Ok((log, head))
    }

    /// The head, for followers in this process.
    pub(crate) fn heads(&self) -> &Heads {
        self.tail.heads()
    }

    /// The events that this process wrote, for followers in this process.
    pub(crate) fn recent(&self) -> &TailCache {
        self.tail.recent()
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.landmark().incarnation
    }

    pub(crate) fn view_incarnation(&self) -> Incarnation {
        self.views().incarnation
    }

    /// The incarnations of a connection that can be used now.
    pub(crate) fn incarnations(&self) -> Incarnations {
        Incarnations {
            log: self.incarnation(),
            views: self.view_incarnation(),
        }
    }

    /// The last event that is known, with its position. No event in an empty log.
    pub(crate) fn last_event(&self) -> (Position, Option<Uuid>) {
        let landmark = self.landmark();
        (landmark.position, landmark.event)
    }

    pub(crate) fn store(&self) -> Uuid {
        self.landmark().store
    }

    /// Checks whether the log of a new connection continues the known one. If not, a new incarnation
    /// begins with it. Returns the incarnation of the connection.
    pub(crate) async fn recognize(&self, client: &Client, sql: &Sql) -> Result<Incarnation, Fault> {
        loop {
            let landmark = *self.landmark();
            let position = number(landmark.position);
            let row = client.query_one(&sql.recognize, &[&position]).await?;
            let (head, event): (Head, Option<Uuid>) = (row::head(&row)?, row.try_get(5)?);
            let is_continued = head.store == landmark.store
                && head.position >= landmark.position
                && event == landmark.event;
            if is_continued {
                return Ok(landmark.incarnation);
            }
            if !row.try_get::<_, bool>("is_durable")? {
                client.batch_execute(FLUSH).await?;
            }
            let next = Landmark {
                incarnation: landmark.incarnation.next(),
                store: head.store,
                position: head.position,
                event: row.try_get(6)?,
            };
            if self.replace(landmark.incarnation, next) {
                return Ok(next.incarnation);
            }
            // Another connection has replaced the landmark since. Its log may be this one, so the
            // comparison is made again.
        }
    }

    /// As [`recognize`](Self::recognize), and begins a new incarnation of the views if the server has
    /// crashed since the last connection was opened. A crash ends all connections, so nothing is read
    /// from a server after its crash before this was called.
    pub(crate) async fn recognize_all(
        &self,
        client: &Client,
        sql: &Sql,
    ) -> Result<Incarnations, Fault> {
        let log = self.recognize(client, sql).await?;
        let found = crash_marker(client, sql).await?;
        let landmark = self.landmark();
        if landmark.incarnation != log {
            let error = "the log was replaced while a connection to it was opened: try again";
            return Err(Fault::new(Kind::Lost, error));
        }
        let mut views = self.views();
        if views.crash_marker != found {
            views.crash_marker = found;
            views.incarnation = views.incarnation.next();
        }
        Ok(Incarnations {
            log,
            views: views.incarnation,
        })
    }

    /// Refuses a new connection to a replica that has another event than the known log at the
    /// landmark. A replica that has not come that far is accepted, since it may catch up. Returns the
    /// incarnation of the log that it was compared with.
    pub(crate) async fn recognize_copy(
        &self,
        client: &Client,
        sql: &Sql,
    ) -> Result<Incarnation, Fault> {
        let landmark = *self.landmark();
        let position = number(landmark.position);
        let row = client.query_one(&sql.recognize, &[&position]).await?;
        let (copy, event): (Head, Option<Uuid>) = (row::head(&row)?, row.try_get(5)?);
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

    /// Publishes events that this process committed in this incarnation, once they are durable.
    pub(crate) fn on_appended(
        &self,
        incarnation: Incarnation,
        head: Position,
        events: impl IntoIterator<Item = Recorded>,
    ) {
        let mut landmark = self.landmark();
        // The log was replaced between the commit and this call, so these events may be lost.
        if landmark.incarnation != incarnation {
            return;
        }
        let mut events = events.into_iter().inspect(|event| {
            if event.position > landmark.position {
                landmark.position = event.position;
                landmark.event = Some(event.meta.id.as_uuid());
            }
        });
        self.tail.on_appended(head, &mut events);
        // Without followers, the tail takes none of the events, but the last one is the landmark.
        events.for_each(drop);
        self.written.send_if_modified(|written| {
            let is_later = head > *written;
            *written = head.max(*written);
            is_later
        });
    }

    /// Whether all events up to this position are known to be durable.
    pub(crate) fn is_durable(&self, position: Position) -> bool {
        position <= self.heads().position()
    }

    /// Publishes a head that was read on a connection of this incarnation, if it is durable. Returns
    /// whether it can be the head of the known log. If not, the log has to be
    /// [recognized](KnownLog::recognize) again.
    pub(crate) fn observe(&self, incarnation: Incarnation, seen: &SeenHead) -> bool {
        let mut landmark = self.landmark();
        if seen.store != landmark.store || incarnation != landmark.incarnation {
            return false;
        }
        if seen.position == landmark.position {
            return seen.event == landmark.event;
        }
        // A lower head is an outdated answer, not a shorter log: answers may overtake each other.
        if seen.is_durable && seen.position > landmark.position {
            landmark.position = seen.position;
            landmark.event = seen.event;
            self.tail.heads().advance(seen.position);
        }
        true
    }

    /// Switches to another log, unless the known incarnation is over already.
    fn replace(&self, known: Incarnation, next: Landmark) -> bool {
        let mut landmark = self.landmark();
        if landmark.incarnation != known {
            return false;
        }
        *landmark = next;
        {
            let mut views = self.views();
            views.incarnation = views.incarnation.next();
        }
        self.written.send_replace(next.position);
        // Last, because it wakes followers.
        self.tail.replace(next.store, next.position);
        true
    }

    /// Locked after the landmark, if both are.
    fn views(&self) -> MutexGuard<'_, KnownViews> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No user code runs while the lock is held, so a poisoned lock still guards consistent data.
    fn landmark(&self) -> MutexGuard<'_, Landmark> {
        self.landmark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Number of times that the marker is set and read again. Once is enough unless the server crashes in
/// between.
const MAX_MARKER_READS: usize = 3;

/// The crash marker of the server, which is set if it has none. `None` on a standby, and if there is
/// none and the role may not set it.
pub(crate) async fn crash_marker(client: &Client, sql: &Sql) -> Result<Option<CrashMarker>, Fault> {
    for _ in 0..MAX_MARKER_READS {
        let found = match client.query_opt(&sql.crash_marker, &[]).await {
            Ok(found) => found,
            Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(row) = found {
            return Ok(Some(CrashMarker {
                marker: row.try_get(0)?,
                started: row.try_get(1)?,
            }));
        }
        match client.batch_execute(&sql.set_crash_marker).await {
            Ok(()) => {}
            // A role that may only read. It leaves that to a process that writes.
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                client.batch_execute("ROLLBACK").await?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::corrupt("the table `crash_marker` keeps no row"))
}
