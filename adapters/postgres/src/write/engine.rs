use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cqrs_core::store::{Incarnation, StateKey, StoredCommand};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_kit::decider::{ConflictWindow, Decider};
use futures_util::future::try_join;
use uuid::Uuid;

use super::at_end::{Contention, append_at_end};
use super::batch::Batch;
use super::decide::refusal;
use super::flight::{Flight, Landing, append, is_written, lookup};
use super::log_session::LogSession;
use super::request::{Disposition, Request};
use super::rows::BatchRows;
use super::sessions::Sessions;
use crate::Options;
use crate::fault::{Fault, Kind};
use crate::known_log::KnownLog;
use crate::link::Link;
use crate::row::Head;
use crate::sql::Sql;

/// Number of times that other processes may overtake a batch before it locks the head, so that a
/// busy process cannot starve a slow one.
const MAX_TIMES_OVERTAKEN: usize = 3;

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
/// - The window ends at `tip.position`. While no batch is in flight, `tip` equals `head`, once what was
///   not written has been cut off the window: the next launch does that.
/// - The window has the tokens of requests that were written or are in flight, and of no others.
/// - A request is answered exactly once: when it is written, refused or failed. A request that was
///   sent without an answer (`is_sent`) is answered only after a lookup on a fenced log, so a lost
///   connection never turns into a second append, nor a done one into an error (I6).
/// - If this process ends at any point, the log has each batch whole or not at all, and a caller that
///   got no answer finds out by its command id.
pub(crate) struct Engine {
    sessions: Sessions,
    /// The end of the log as far as this process knows.
    head: Head,
    /// The end of the log once the batches in flight are written.
    tip: Head,
    /// Incarnation of the log that `head` and `window` belong to.
    incarnation: Incarnation,
    /// The events up to the tip.
    window: ConflictWindow,
    window_size: usize,
    /// Commands that were sent again under an id that a dispatcher had assigned, and recorded since this
    /// process connected. Their first sending may still be on its way to this task.
    resent: HashSet<CommandId>,
    /// Another process may have written after `head`: catch up before deciding.
    is_behind: bool,
    /// The published head that was last compared with `head`.
    checked: Position,
    /// All events up to here are durable, also those of other processes.
    flushed: Position,
    contention: Contention,
    log: KnownLog,
}

impl Engine {
    pub(crate) fn new(
        link: Link,
        sql: Arc<Sql>,
        head: Head,
        log: KnownLog,
        options: &Options,
    ) -> Self {
        Self {
            sessions: Sessions::new(link, sql, log.clone(), options.retry_timeout),
            head,
            tip: head,
            incarnation: Incarnation::default(),
            window: ConflictWindow::new(head.position, options.writer.window()),
            window_size: options.writer.window(),
            resent: HashSet::new(),
            is_behind: false,
            checked: Position::START,
            flushed: Position::START,
            contention: Contention::default(),
            log,
        }
    }

    /// Decides a batch and sends it while no other is in flight. `None` if all of its requests are
    /// answered already.
    pub(super) async fn launch(&mut self, mut batch: Batch) -> Option<Flight> {
        // Batches that were not written have left their events in the window. The positions after them
        // would not follow the head.
        self.window.truncate(self.head.position);
        self.tip = self.head;
        let session = match self.ready(&mut batch).await {
            Ok(session) => session,
            Err(fault) => {
                batch.fail(&fault);
                return None;
            }
        };
        if batch.is_empty() {
            return None;
        }
        if let Err(fault) = batch.bind_statements(&session).await {
            let failed = Landing::not_written(batch, self.head, Err(fault));
            return Some(Flight::landed(failed));
        }
        if batch.times_overtaken >= MAX_TIMES_OVERTAKEN {
            let landing = self.write_locked(&session, batch).await;
            return Some(Flight::landed(landing));
        }
        let caught_up = self.catch_up_for(&session, &batch).await;
        let decided = match caught_up {
            Ok(()) => self.decide(&session, &mut batch).await,
            Err(fault) => Err(fault),
        };
        Some(match decided {
            Ok(after) if self.is_contended() && self.fits_any_end(&batch) => {
                Flight::landed(self.write_at_end(&session, batch, after.last).await)
            }
            Ok(after) => self.send(session, batch, after),
            Err(fault) => Flight::landed(Landing::not_written(batch, self.head, Err(fault))),
        })
    }

    /// Whether other processes write, so that a batch is sent alone, to the end of the log.
    pub(super) fn is_contended(&self) -> bool {
        self.contention.is_present()
    }

    /// Whether a decided batch can be written at the end of the log, wherever that is. Not if it has
    /// commands whose records no insert would find: they were looked up as of this head.
    fn fits_any_end(&self, batch: &Batch) -> bool {
        batch.has_events_only() && !batch.requests.iter().any(|it| self.is_uncertain(it))
    }

    /// Whether a batch can be sent behind those in flight. If not, it has to wait for them: it needs the
    /// log for its decision, or another process has written, so that those in flight will be void.
    pub(super) fn can_follow(&self, batch: &Batch) -> bool {
        let is_up_to_date = !self.is_behind && self.published() <= self.known();
        is_up_to_date
            && !self.is_contended()
            && self.sessions.current().is_some()
            && !batch.requests.iter().any(|it| self.is_uncertain(it))
            && batch.can_follow(self.tip.position, self.window.floor())
    }

    /// Decides a batch and sends it behind those in flight, as if they were written. If it cannot be
    /// decided, the batch comes back, to be launched alone.
    pub(super) async fn launch_behind(&mut self, mut batch: Batch) -> Result<Flight, Batch> {
        let Some(session) = self.sessions.current() else {
            return Err(batch);
        };
        if batch.bind_statements(&session).await.is_ok()
            && let Ok(after) = self.decide(&session, &mut batch).await
        {
            return Ok(self.send(session, batch, after));
        }
        // Alone, it meets the fault again, and that one is handled.
        batch.withdraw_from(&mut self.window);
        self.window.truncate(self.tip.position);
        batch.is_alone = true;
        Err(batch)
    }

    /// Handles the answer to the oldest batch in flight. Returns the parts of the batch that remain to be
    /// carried out, in order.
    pub(super) async fn land(&mut self, landing: Landing) -> Vec<Batch> {
        let mut batch = landing.batch;
        if !matches!(landing.written, Ok(true)) {
            batch.withdraw_from(&mut self.window);
        }
        match landing.written {
            Ok(true) => {
                self.head = landing.after;
                self.publish(&mut batch);
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
                self.is_behind = true;
                self.contention.on_others();
                vec![batch]
            }
            Err(fault) => self.retry(batch, &fault).await,
        }
    }

    /// Handles the answer to a batch that was sent behind one that was not written: it is decided again.
    pub(super) fn void(&mut self, landing: Landing) -> Batch {
        let mut batch = landing.batch;
        batch.withdraw_from(&mut self.window);
        match landing.written {
            Ok(false) => {}
            Err(fault) if fault.kind() != Kind::Lost => {}
            // The connection was lost with both. Written alone it cannot be, since it compares the head
            // that the other one would have set; if the server says so, the log is asked.
            Err(_) | Ok(true) => {
                batch.mark_sent();
                self.sessions.lose();
            }
        }
        batch
    }

    fn send(&mut self, session: Arc<LogSession>, batch: Batch, after: Head) -> Flight {
        let before = self.tip;
        self.tip = after;
        // Batches in flight wait for the disk, and are answered before this one.
        let head = self.head.position;
        let is_durable = head <= self.flushed || self.log.is_durable(head);
        Flight::send(session, batch, before, after, is_durable)
    }

    /// Followers before callers: a caller that reads after its answer finds its events in memory.
    fn publish(&self, batch: &mut Batch) {
        // Without an append of its own, the head may be one that another process has not made durable.
        if !batch.requests.iter().any(Request::is_written) {
            return;
        }
        let written = batch.requests.iter_mut().filter(|it| it.is_written());
        let events = written.flat_map(|request| request.append.take_events());
        self.log
            .on_appended(self.incarnation, self.head.position, events);
    }

    /// Handles a fault. Returns the parts of the batch that are to be attempted again.
    async fn retry(&mut self, mut batch: Batch, fault: &Fault) -> Vec<Batch> {
        if fault.kind() == Kind::Lost {
            self.sessions.lose();
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
                self.is_behind = true;
                self.answer_processed(&mut batch).await;
            }
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
            Err(fault) if fault.kind() == Kind::Lost => self.sessions.lose(),
            Err(_) => {}
        }
    }

    async fn ready(&mut self, batch: &mut Batch) -> Result<Arc<LogSession>, Fault> {
        let ready = self.sessions.ready(batch).await?;
        self.is_behind |= ready.is_behind;
        if ready.is_behind {
            // Events of other processes may not have been durable. The server may have lost them in a
            // crash, and have others at their positions.
            self.head.position = self.head.position.min(self.published());
            self.window.truncate(self.head.position);
        }
        if ready.session.incarnation() != self.incarnation {
            // Nothing that is known of the old log holds. Position 0 makes the catch-up start over,
            // and boundaries that were read from the old log are refused by their incarnation.
            self.incarnation = ready.session.incarnation();
            self.head.position = Position::START;
            self.window.reset(Position::START);
            self.checked = Position::START;
            self.flushed = Position::START;
        }
        Ok(ready.session)
    }

    /// Writes a decided batch at the end of the log, wherever that is. The requests that events of other
    /// processes may concern stay in the batch, to be decided again on these events.
    async fn write_at_end(&mut self, session: &LogSession, mut batch: Batch, id: Uuid) -> Landing {
        let max_tail = self.window_size;
        let (after, written) = match append_at_end(session, &batch, &self.head, id, max_tail).await
        {
            Ok(append) if append.is_followed() => {
                self.contention.on_append(&append);
                self.resent.extend(append.resent());
                match append.place(&mut batch, &mut self.window, self.head.position) {
                    Ok(after) => (after, Ok(true)),
                    Err(fault) => (self.head, Err(fault)),
                }
            }
            Err(fault) if fault.kind() != Kind::Contention => (self.head, Err(fault)),
            _ => (self.head, Ok(false)),
        };
        if let Ok(true) = written {
            // The waiting commit came after all of it, even if nothing was written.
            self.flushed = after.position;
        }
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
                Landing::not_written(batch, self.head, written)
            }
        }
    }

    /// Returns the new head, or `None` if nothing was written.
    async fn append_and_commit(
        &mut self,
        session: &LogSession,
        batch: &mut Batch,
    ) -> Result<Option<Head>, Fault> {
        self.catch_up(session).await?;
        let after = self.decide(session, batch).await?;
        let mut rows = BatchRows::new(&self.tip, after.last);
        batch.add_to(&mut rows);
        let outcome = append(session, &rows, batch, &self.tip, true).await?;
        Ok(is_written(outcome, batch)?.then_some(after))
    }

    /// Catches up if there is a reason, since that costs a round trip: another process is known or said to
    /// have written, or a caller has read further than this task. Without a reason the batch is decided
    /// on what may be an old head, and then the compare-and-set fails.
    async fn catch_up_for(&mut self, session: &LogSession, batch: &Batch) -> Result<(), Fault> {
        let head = self.head.position;
        let is_ahead = batch.requests.iter().any(|it| it.append.is_ahead_of(head));
        let is_behind = self.is_behind || is_ahead || self.published() > self.known();
        if self.published() > self.known() {
            self.contention.on_others();
        }
        // A published head counts once: a wrong one must not cost every batch a round trip.
        self.checked = self.published();
        if is_behind {
            self.catch_up(session).await?;
        }
        Ok(())
    }

    /// The head that this process has published, of its own appends and of those it has heard of.
    fn published(&self) -> Position {
        self.log.heads().position()
    }

    /// The last position that needs no catch-up.
    fn known(&self) -> Position {
        self.tip.position.max(self.checked)
    }

    /// Brings head and window to the end of the log, with the appends of other processes.
    async fn catch_up(&mut self, session: &LogSession) -> Result<(), Fault> {
        let (head, seen) = session.head().await?;
        if head.position < self.head.position || !self.log.observe(self.incarnation, &seen) {
            // A shorter log, or another event at its end: this server does not have the known log.
            // Nothing decided so far may be written to it, and no position of it is known.
            session.recognize(&self.log).await?;
            return Err(Fault::new(Kind::Lost, "the log was replaced"));
        }
        // Also if the head is where it was: a command without events does not move it.
        let resent = session.resent(self.window.head(), head.position);
        let followed = session.follow(&mut self.window, head.position, self.window_size);
        // Both are sent at once.
        let (resent, ()) = try_join(resent, followed).await?;
        self.resent.extend(resent);
        self.head = head;
        self.tip = head;
        self.is_behind = false;
        Ok(())
    }

    /// The records of commands that no insert would find, as of this head or later.
    ///
    /// The table `commands` has each given id once. But the record of an assigned id is in the event
    /// itself: if such an id is given, the events are searched, and the id is recorded like any other. Its
    /// first sending, which does not look into the table, may be decided after that, so it is searched for
    /// as well (I6). Nothing comes in between, since the append fails unless the head is still this one.
    async fn find_recorded(
        &self,
        session: &LogSession,
        batch: &Batch,
    ) -> Result<HashMap<CommandId, StoredCommand>, Fault> {
        let uncertain = batch.requests.iter().filter(|it| self.is_uncertain(it));
        lookup(session, uncertain.map(|it| it.append.command).collect()).await
    }

    /// Whether the command may have a record that no insert would find.
    fn is_uncertain(&self, request: &Request) -> bool {
        let command = request.append.command;
        command.is_assigned() && (request.may_be_recorded || self.resent.contains(&command))
    }

    /// Gives each request its disposition, and returns the head that the batch sets. The events of
    /// accepted requests go into the window, so that each request is decided as if the ones before it,
    /// also those in flight, were in the log already (I2).
    async fn decide(&mut self, session: &LogSession, batch: &mut Batch) -> Result<Head, Fault> {
        // A disposition of an earlier attempt was decided on another head.
        for request in &mut batch.requests {
            request.disposition = Disposition::Later;
        }
        let recorded = self.find_recorded(session, batch).await?;
        let writes = batch.requests.iter().flat_map(|it| &it.append.states);
        let keys: Vec<&StateKey> = writes.map(|write| &write.key).collect();
        let mut states = session.state_positions(&keys).await?;
        let id = Uuid::new_v4();
        let mut after = self.tip;
        let mut commands = HashSet::new();
        for request in &mut batch.requests {
            let decider = Decider {
                incarnation: self.incarnation,
                head: self.tip.position,
                window: &self.window,
            };
            let command = request.append.command;
            let failure = request.failure.take();
            if let Some(stored) = recorded.get(&command) {
                request.disposition = Disposition::Replay(*stored);
                continue;
            }
            if let Some(failure) = failure {
                request.disposition = Disposition::Refuse(failure);
                continue;
            }
            // One statement cannot insert a command id twice. The second request is decided in a
            // later round, and finds the first one's record (I6).
            if !commands.insert(command) || !decider.is_decidable(&request.append.boundaries) {
                continue;
            }
            if let Some(refusal) = refusal(decider, session, &request.append, &states).await? {
                request.disposition = Disposition::Refuse(refusal);
                continue;
            }
            let appended = request.append.place(self.window.head(), after.time)?;
            request.append.add_to(&mut self.window);
            if request.append.has_given_id && command.is_assigned() {
                self.resent.insert(command);
            }
            for write in &request.append.states {
                states.insert(write.key.clone(), appended.last);
            }
            request.disposition = Disposition::Write(appended);
            after = Head {
                position: self.window.head(),
                // Recorded times never decrease along the log, within a batch neither.
                time: appended.time.map_or(after.time, Timestamp::as_microsecond),
                last: id,
                ..after
            };
        }
        Ok(after)
    }
}
