use std::sync::Arc;

use uuid::Uuid;

use super::at_end::append_at_end;
use super::batch::Batch;
use super::flight::{Flight, Landing, append, is_written};
use super::log_end::LogEnd;
use super::log_session::LogSession;
use super::request::Request;
use super::rows::BatchRows;
use super::sessions::Sessions;
use super::watched_tags::WatchedTags;
use crate::Options;
use crate::fault::{Fault, Kind};
use crate::known_log::KnownLog;
use crate::link::Link;
use crate::link::drivers::Drivers;
use crate::row::Head;
use crate::sql::Sql;

/// Number of times that other processes may overtake a batch before it locks the head, so that a
/// busy process cannot starve a slow one.
const MAX_TIMES_OVERTAKEN: usize = 3;

/// The same for a batch that is sent to the end of the log, where only the beginning of a lease and a very
/// busy process overtake it. With the head locked, it would pass the leases of other processes.
const MAX_TIMES_OVERTAKEN_AT_END: usize = 16;

/// Maximum number of attempts after other transient faults.
const MAX_ATTEMPTS: usize = 32;

/// Decides and writes batches of requests.
///
/// A batch is decided in memory, against the window, and written with one statement. The statement
/// compares the head with the one that the batch was decided against, and sets it: everything or
/// nothing is written (I1), and only if no event came between the decision and the append (I2, I3).
/// The server answers after its commit is on the disk (I7).
///
/// Invariants:
///
/// - A request is answered exactly once: when it is written, refused or failed. A request that was
///   sent without an answer (`is_sent`) is answered only after a lookup on a fenced log, so a lost
///   connection never turns into a second append, nor a done one into an error (I6).
/// - If this process ends at any point, the log has each batch whole or not at all, and a caller that
///   got no answer finds out by its command id.
pub(crate) struct Engine {
    sessions: Sessions,
    end: LogEnd,
    /// Of the connections of the sessions.
    drivers: Drivers,
    /// Identifies this process in the queues for leases.
    process: Uuid,
}

impl Engine {
    pub(crate) fn new(
        link: Link,
        sql: Arc<Sql>,
        head: Head,
        log: KnownLog,
        options: &Options,
    ) -> Self {
        let drivers = Drivers::default();
        let link = link.driven_by(&drivers);
        Self {
            sessions: Sessions::new(link, sql, log.clone(), options.retry_timeout),
            end: LogEnd::new(head, options.writer.window(), log),
            drivers,
            process: Uuid::new_v4(),
        }
    }

    /// What drives the connections that this opens.
    pub(super) fn drivers(&self) -> Drivers {
        self.drivers.clone()
    }

    /// Decides a batch and sends it while no other is in flight. `None` if all of its requests are
    /// answered already.
    pub(super) async fn launch(&mut self, mut batch: Batch) -> Option<Flight> {
        self.end.forget_unwritten();
        let session = match self.sessions.ready(&mut batch).await {
            Ok(ready) => {
                self.end.on_session(&ready);
                ready.session
            }
            Err(fault) => {
                batch.fail(&fault);
                return None;
            }
        };
        if batch.is_empty() {
            return None;
        }
        if let Err(fault) = batch.bind_statements(&session).await {
            return Some(Flight::landed(self.not_written(batch, Err(fault))));
        }
        // A request that has lost several times queues for a lease, whether or not others write just now.
        let is_for_end =
            (self.is_contended() || batch.queues_for_lease()) && self.end.fits_any_end(&batch);
        let patience = if is_for_end {
            MAX_TIMES_OVERTAKEN_AT_END
        } else {
            MAX_TIMES_OVERTAKEN
        };
        if batch.times_overtaken >= patience {
            let landing = self.write_locked(&session, batch).await;
            return Some(Flight::landed(landing));
        }
        let caught_up = self.end.catch_up_for(&session, &batch, is_for_end).await;
        let decided = match caught_up {
            Ok(()) => self.end.decide(&session, &mut batch).await,
            Err(fault) => Err(fault),
        };
        Some(match decided {
            // Asked again: the decision may have found commands that were perhaps recorded.
            Ok(_) if is_for_end && self.end.fits_any_end(&batch) && batch.has_numbers() => {
                Flight::landed(self.write_at_end(&session, batch).await)
            }
            Ok(after) => self.send(session, batch, after),
            Err(fault) => Flight::landed(self.not_written(batch, Err(fault))),
        })
    }

    /// Whether other processes write, so that a batch is sent alone, to the end of the log.
    pub(super) fn is_contended(&self) -> bool {
        self.end.is_contended()
    }

    /// Whether leases of other processes hold all of these requests. If the database does not tell, their next append
    /// will.
    pub(super) async fn are_held(&self, requests: impl Iterator<Item = &Request>) -> bool {
        let Some(session) = self.sessions.current() else {
            return false;
        };
        let mut watched = WatchedTags::default();
        let mut asked = 0;
        for request in requests {
            asked += 1;
            for boundary in &request.append.boundaries {
                watched.add(asked, boundary);
            }
        }
        let held = session.count_held(self.process, &watched).await;
        held.is_ok_and(|held| held == asked)
    }

    /// Whether a batch can be sent behind those in flight. If not, it has to wait for them.
    pub(super) fn can_follow(&self, batch: &Batch) -> bool {
        self.sessions.current().is_some() && self.end.can_follow(batch)
    }

    /// Decides a batch and sends it behind those in flight, as if they were written. If it cannot be
    /// decided, the batch comes back, to be launched alone.
    pub(super) async fn launch_behind(&mut self, mut batch: Batch) -> Result<Flight, Batch> {
        let Some(session) = self.sessions.current() else {
            return Err(batch);
        };
        if batch.bind_statements(&session).await.is_ok()
            && let Ok(after) = self.end.decide(&session, &mut batch).await
        {
            return Ok(self.send(session, batch, after));
        }
        // Alone, it meets the fault again, and that one is handled.
        self.end.forget_unsent(&batch);
        batch.is_alone = true;
        Err(batch)
    }

    /// Handles the answer to the oldest batch in flight. Returns the parts of the batch that remain to be
    /// carried out, in order.
    pub(super) async fn land(&mut self, landing: Landing) -> Vec<Batch> {
        let mut batch = landing.batch;
        if !matches!(landing.written, Ok(true)) {
            self.end.on_not_written(&batch);
        }
        match landing.written {
            Ok(true) => {
                self.end.on_written(&mut batch, landing.after);
                batch.answer_recorded();
                match landing.processed {
                    Ok(processed) => {
                        batch.answer_refused(&processed);
                        vec![batch]
                    }
                    // The refused requests are decided again.
                    Err(fault) => self.retry(batch, &fault).await,
                }
            }
            Ok(false) => {
                batch.times_overtaken += 1;
                self.end.on_overtaken();
                vec![batch]
            }
            Err(fault) => self.retry(batch, &fault).await,
        }
    }

    /// Handles the answer to a batch that was sent behind one that was not written: it is decided again.
    pub(super) fn void(&mut self, landing: Landing) -> Batch {
        let mut batch = landing.batch;
        self.end.on_not_written(&batch);
        match landing.written {
            Ok(false) => {}
            Err(fault) if fault.kind() != Kind::Lost => {}
            // The connection was lost with both. Written alone it cannot be, since it compares the head
            // that the other one would have set; if the server says so, the log is asked.
            Err(_) | Ok(true) => {
                batch.mark_sent();
                self.sessions.lose(&batch);
            }
        }
        batch
    }

    fn send(&mut self, session: Arc<LogSession>, batch: Batch, after: Head) -> Flight {
        let before = *self.end.tip();
        let is_durable = self.end.is_durable();
        self.end.on_sent(after);
        Flight::send(session, batch, before, after, is_durable)
    }

    fn not_written(&self, batch: Batch, written: Result<bool, Fault>) -> Landing {
        Landing::not_written(batch, *self.end.head(), written)
    }

    /// Handles a fault. Returns the parts of the batch that are to be attempted again.
    async fn retry(&mut self, mut batch: Batch, fault: &Fault) -> Vec<Batch> {
        if fault.kind() == Kind::Lost {
            self.sessions.lose(&batch);
            batch.mark_sent();
        }
        batch.attempts += 1;
        match fault.kind() {
            _ if batch.attempts > MAX_ATTEMPTS => {
                batch.fail(fault);
                return Vec::new();
            }
            // One loss is always followed up, however long a request has waited: the lookup may
            // find it in the log. After that, its time counts.
            Kind::Lost if batch.attempts > 1 => self.sessions.fail_overdue(&mut batch, fault),
            // Nothing was written, or the next session will know. The next attempt starts from there.
            Kind::Lost | Kind::Contention => {}
            // Either a command was recorded before, which `answer_processed` finds, or a position is
            // taken, because this process is behind the log.
            Kind::Duplicate => {
                self.end.on_duplicate();
                self.answer_processed(&mut batch).await;
            }
            Kind::Blocked => return batch.around_blocked(fault),
            Kind::Statement if batch.requests.len() > 1 => return batch.around_failed(),
            // PostgreSQL does not tell which row it refuses, so the batch is halved until that request
            // fails alone (I11).
            Kind::Data if batch.requests.len() > 1 => return batch.halves(),
            _ => {
                batch.fail(fault);
                return Vec::new();
            }
        }
        vec![batch]
    }

    /// Answers requests whose commands were recorded before. If they cannot be looked up, the next
    /// attempt meets the same fault and comes here again.
    async fn answer_processed(&mut self, batch: &mut Batch) {
        let Some(session) = self.sessions.current() else {
            return;
        };
        let ids = batch.requests.iter().map(|it| it.append.command);
        match session.commands(ids.collect()).await {
            Ok(processed) => batch.answer_stored(&processed),
            Err(fault) if fault.kind() == Kind::Lost => self.sessions.lose(batch),
            Err(_) => {}
        }
    }

    /// Writes a decided batch at the end of the log, wherever that is. The requests that events of other
    /// processes may concern stay in the batch, to be decided again on these events.
    async fn write_at_end(&mut self, session: &LogSession, mut batch: Batch) -> Landing {
        // The head gets it even if nothing is written, when a lease begins.
        let id = Uuid::new_v4();
        let known = *self.end.head();
        let max_tail = self.end.max_tail();
        let appended = append_at_end(session, &batch, &known, id, max_tail, self.process).await;
        let (after, written) = match appended {
            Ok(append) if append.is_followed() => {
                match self.end.on_end_append(append, &mut batch) {
                    Ok(after) => (after, Ok(true)),
                    Err(fault) => (known, Err(fault)),
                }
            }
            Err(fault) if fault.kind() != Kind::Contention => (known, Err(fault)),
            _ => (known, Ok(false)),
        };
        Landing::with_records(session, batch, after, written).await
    }

    /// Decides and writes a batch in a transaction that has locked the head, so that no process can
    /// overtake it.
    async fn write_locked(&mut self, session: &LogSession, mut batch: Batch) -> Landing {
        let after = match session.lock().await {
            Ok(()) => self.append_and_commit(session, &mut batch).await,
            Err(fault) => Err(fault),
        };
        match after {
            Ok(Some(after)) => Landing::with_records(session, batch, after, Ok(true)).await,
            // The transaction has begun even if the lock was refused, and must not stay open.
            not_written => {
                let ended = session.roll_back().await;
                let written = ended.and_then(|()| not_written.map(|_| false));
                self.not_written(batch, written)
            }
        }
    }

    /// Returns the new head, or `None` if nothing was written.
    async fn append_and_commit(
        &mut self,
        session: &LogSession,
        batch: &mut Batch,
    ) -> Result<Option<Head>, Fault> {
        self.end.catch_up(session).await?;
        let before = *self.end.tip();
        let after = self.end.decide(session, batch).await?;
        let mut rows = BatchRows::new(&before, after.last);
        batch.add_to(&mut rows);
        let outcome = append(session, &rows, batch, &before, true).await?;
        Ok(is_written(outcome, batch)?.then_some(after))
    }
}
