use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::{AppendError, Incarnation, StateKey, StoredCommand};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_kit::decider::{ConflictWindow, Decider};

use tracing::warn;

use super::decide::refusal;
use super::log_session::LogSession;
use super::reconnect_backoff::ReconnectBackoff;
use super::request::{Disposition, Request};
use super::rows::BatchRows;
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

/// Writes batches of requests.
///
/// A batch is decided in memory, against the window, and written with one statement. The statement
/// compares the head with the one that the batch was decided against, and sets it: everything or
/// nothing is written (I1), and only if no event came between the decision and the append (I2, I3).
/// The server answers after its commit is on the disk (I7).
///
/// Invariants:
///
/// - Between batches, the window ends at `head.position`. Within a round it runs ahead by the events
///   that are about to be written. The next attempt truncates it.
/// - A request is answered exactly once: when it is written, refused or failed. A request that was
///   sent without an answer (`is_sent`) is answered only after a lookup on a fenced log, so a lost
///   connection never turns into a second append, nor a done one into an error (I6).
/// - If this process ends at any point, the log has each batch whole or not at all, and a caller that
///   got no answer finds out by its command id.
pub(crate) struct Engine {
    link: Link,
    sql: Arc<Sql>,
    session: Option<LogSession>,
    /// The end of the log as far as this process knows.
    head: Head,
    /// Incarnation of the log that `head` and `window` belong to.
    incarnation: Incarnation,
    /// The events up to the head, and those of the round in progress.
    window: ConflictWindow,
    window_size: usize,
    /// Another process may have written after `head`: catch up before deciding.
    is_behind: bool,
    /// The published head that was last compared with `head`.
    checked: Position,
    retry_timeout: Duration,
    /// Why there is no session, after an attempt to open one failed.
    unreachable: Option<Fault>,
    log: KnownLog,
}

/// The result of deciding and writing a batch once.
enum Round {
    /// Every request that was decided is answered.
    Done,
    /// Another process moved the head first. Nothing was written.
    Overtaken,
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
            link,
            sql,
            session: None,
            window: ConflictWindow::new(head.position, options.writer.window()),
            window_size: options.writer.window(),
            head,
            incarnation: Incarnation::default(),
            is_behind: false,
            checked: Position::START,
            retry_timeout: options.retry_timeout,
            unreachable: None,
            log,
        }
    }

    /// Carries out the batch. If a request fails because of its own data, the batch is bisected until
    /// that request fails alone (I11).
    pub(super) async fn write(&mut self, batch: Vec<Request>) {
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let rest = self.attempt(batch).await;
            // In reverse, since `pop` takes the last: requests are written in the order of their
            // arrival, so of two callers that race, the first one wins.
            waiting.extend(rest.into_iter().rev().filter(|part| !part.is_empty()));
        }
    }

    /// Returns the parts of the batch that remain to be carried out, in order.
    async fn attempt(&mut self, mut batch: Vec<Request>) -> Vec<Vec<Request>> {
        let mut times_overtaken = 0;
        let mut attempts = 0;
        loop {
            // An earlier round may have left events in the window that were not written.
            self.window.truncate(self.head.position);
            let session = match self.ready(&mut batch).await {
                Ok(session) => session,
                Err(fault) => return fail(batch, fault),
            };
            let lock = times_overtaken >= MAX_TIMES_OVERTAKEN;
            let fault = match self.round(&session, &mut batch, lock).await {
                Ok(Round::Done) => {
                    self.session = Some(session);
                    return vec![batch];
                }
                Ok(Round::Overtaken) => {
                    self.session = Some(session);
                    times_overtaken += 1;
                    self.is_behind = true;
                    continue;
                }
                Err(fault) if fault.kind() == Kind::Lost => {
                    // The session is dropped. The server may have executed the statement, or may
                    // still do so: `open` finds out before anything else is sent.
                    mark_sent(&mut batch);
                    fault
                }
                Err(fault) => {
                    self.session = Some(session);
                    fault
                }
            };
            attempts += 1;
            match fault.kind() {
                _ if attempts > MAX_ATTEMPTS => return fail(batch, fault),
                // One loss is always followed up, however long a request has waited: the lookup may
                // find it in the log. After that, its time counts.
                Kind::Lost if attempts > 1 => self.fail_overdue(&mut batch, &fault),
                // Nothing was written, or `open` will know. The next round starts from there.
                Kind::Lost | Kind::Contention => {}
                // Either a command was recorded before, which `answer_processed` finds, or a
                // position is taken, because this process is behind the log.
                Kind::Duplicate => {
                    self.is_behind = true;
                    self.answer_processed(&mut batch).await;
                }
                // PostgreSQL does not tell which row it refuses, so the batch is halved (I11).
                Kind::Data if batch.len() > 1 => {
                    let after = batch.split_off(batch.len() / 2);
                    return vec![batch, after];
                }
                _ => return fail(batch, fault),
            }
        }
    }

    /// Decides the batch, writes the accepted requests, and answers. Requests to be decided in a later
    /// round stay in the batch. With `lock`, the head is locked first, so no process can overtake.
    async fn round(
        &mut self,
        session: &LogSession,
        batch: &mut Vec<Request>,
        lock: bool,
    ) -> Result<Round, Fault> {
        if batch.is_empty() {
            return Ok(Round::Done);
        }
        // A disposition of an earlier round was decided on another head.
        for request in batch.iter_mut() {
            request.disposition = Disposition::Later;
        }
        let is_written = if lock {
            self.write_locked(session, batch).await?
        } else {
            self.decide_and_write(session, batch, false).await?
        };
        if !is_written {
            return Ok(Round::Overtaken);
        }
        // Followers before callers: a caller that reads after its answer finds its events in memory.
        let written = batch.iter_mut().filter(|request| request.is_written());
        let events = written.flat_map(|request| request.append.take_events());
        self.log
            .on_appended(self.incarnation, self.head.position, events);
        for request in batch.extract_if(.., |request| request.is_written()) {
            if let Disposition::Write(appended) = request.disposition {
                request.answer(Ok(appended));
            }
        }
        self.answer_refused(session, batch).await?;
        Ok(Round::Done)
    }

    /// [`decide_and_write`](Self::decide_and_write) in a transaction that has locked the head.
    async fn write_locked(
        &mut self,
        session: &LogSession,
        batch: &mut [Request],
    ) -> Result<bool, Fault> {
        let written = match session.lock().await {
            Ok(()) => self.decide_and_write(session, batch, true).await,
            Err(fault) => Err(fault),
        };
        // Even if the lock was refused, the transaction has begun. It must not stay open on a session
        // that is used again.
        if !matches!(written, Ok(true)) {
            session.roll_back().await?;
        }
        written
    }

    /// Returns whether the batch was written: `false` if another process moved the head.
    async fn decide_and_write(
        &mut self,
        session: &LogSession,
        batch: &mut [Request],
        lock: bool,
    ) -> Result<bool, Fault> {
        // Catching up costs a round trip, so it is done only for a reason: another process is known
        // or said to have written, or a caller has read further than this task. Without a reason the
        // batch is decided on what may be an old head, and then the compare-and-set fails.
        // A published head counts once: a wrong one must not cost every batch a round trip.
        let published = self.log.heads().position();
        let is_behind = self.is_behind || published > self.head.position.max(self.checked);
        self.checked = published;
        let head = self.head.position;
        if lock || is_behind || batch.iter().any(|it| it.append.is_ahead_of(head)) {
            self.catch_up(session).await?;
        }
        self.decide(session, batch).await?;
        let mut rows = BatchRows::new(&self.head);
        for request in batch.iter() {
            if let Disposition::Write(appended) = &request.disposition {
                rows.add(&request.append, appended);
            }
        }
        if rows.is_empty() {
            if lock {
                session.commit().await?;
            }
            return Ok(true);
        }
        // The compare-and-set. It alone makes positions contiguous across processes: whatever was
        // decided above is void if the head has moved, and then no row is written (I1, I3).
        if !session.append(&rows, &self.head).await? {
            return Ok(false);
        }
        if lock {
            session.commit().await?;
        }
        let (_, time) = rows.head();
        self.head.position = self.window.head();
        self.head.time = time;
        self.head.last = rows.id();
        Ok(true)
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
        session
            .follow(&mut self.window, head.position, self.window_size)
            .await?;
        self.head = head;
        self.is_behind = false;
        Ok(())
    }

    /// Gives each request its disposition. The events of accepted requests go into the window, so
    /// that each request is decided as if the ones before it were in the log already (I2).
    async fn decide(&mut self, session: &LogSession, batch: &mut [Request]) -> Result<(), Fault> {
        let writes = batch.iter().flat_map(|request| &request.append.states);
        let keys: Vec<&StateKey> = writes.map(|write| &write.key).collect();
        let mut states = if keys.is_empty() {
            HashMap::new()
        } else {
            session.state_positions(&keys).await?
        };
        let mut time = self.head.time;
        let mut commands = HashSet::new();
        for request in batch {
            let decider = Decider {
                incarnation: self.incarnation,
                head: self.head.position,
                window: &self.window,
            };
            // One statement cannot insert a command id twice. The second request is decided in a
            // later round, and finds the first one's record (I6).
            let is_first = commands.insert(request.append.command);
            if !is_first || !decider.is_decidable(&request.append.boundaries) {
                continue;
            }
            if let Some(refusal) = refusal(decider, session, &request.append, &states).await? {
                request.disposition = Disposition::Refuse(refusal);
                continue;
            }
            let appended = request.append.place(self.window.head(), time)?;
            // Recorded times never decrease along the log, within a batch neither.
            time = appended.time.map_or(time, Timestamp::as_microsecond);
            request.append.add_to(&mut self.window);
            for write in &request.append.states {
                states.insert(write.key.clone(), appended.last);
            }
            request.disposition = Disposition::Write(appended);
        }
        Ok(())
    }

    /// Answers refused requests. A command that was recorded before gets the result of its first
    /// append in place of the refusal: the events in its way may be its own (I6).
    async fn answer_refused(
        &self,
        session: &LogSession,
        batch: &mut Vec<Request>,
    ) -> Result<(), Fault> {
        let refused: Vec<_> = batch
            .iter()
            .filter(|request| request.is_refused())
            .map(|request| request.append.command.as_uuid())
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        // If this fails, the refused requests stay in the batch and are decided again.
        let processed = session.commands(refused).await?;
        for mut request in batch.extract_if(.., |request| request.is_refused()) {
            let disposition = std::mem::replace(&mut request.disposition, Disposition::Later);
            match (processed.get(&request.append.command), disposition) {
                (Some(stored), _) => request.answer_stored(*stored),
                (None, Disposition::Refuse(refusal)) => request.answer(Err(refusal)),
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Answers requests whose commands were recorded before. If they cannot be looked up, the next
    /// attempt meets the same fault and comes here again.
    async fn answer_processed(&mut self, batch: &mut Vec<Request>) {
        let Some(session) = &self.session else {
            return;
        };
        let ids = batch.iter().map(|request| request.append.command.as_uuid());
        match session.commands(ids.collect()).await {
            Ok(processed) => answer_stored(batch, &processed),
            Err(fault) if fault.kind() == Kind::Lost => self.session = None,
            Err(_) => {}
        }
    }

    /// Returns a session, with certainty about requests that were sent on an earlier one: those that
    /// were written are answered and have left the batch; the others never will be.
    async fn ready(&mut self, batch: &mut Vec<Request>) -> Result<LogSession, Fault> {
        let mut backoff = ReconnectBackoff::new(Duration::MAX);
        loop {
            // While the database is unreachable, a request fails once it has waited long enough, also
            // if it has spent that time behind an earlier batch.
            if let Some(fault) = self.unreachable.clone() {
                self.fail_overdue(batch, &fault);
                if batch.is_empty() {
                    return Err(fault);
                }
            }
            match self.open(batch).await {
                Ok(session) => {
                    self.unreachable = None;
                    return Ok(session);
                }
                Err(fault) if fault.kind() == Kind::Lost => {
                    let waiting = batch.len();
                    warn!(waiting, reason = %fault, "appends have no connection: trying again");
                    self.unreachable = Some(fault.clone());
                }
                Err(fault) => return Err(fault),
            }
            // No pause if the next turn of the loop only fails the batch.
            if !batch.iter().all(|it| self.is_overdue(it)) {
                backoff.pause().await;
            }
        }
    }

    fn is_overdue(&self, request: &Request) -> bool {
        request.is_overdue(self.retry_timeout, self.link.dial.deadlines.answer)
    }

    fn fail_overdue(&self, batch: &mut Vec<Request>, fault: &Fault) {
        let overdue = batch
            .extract_if(.., |request| self.is_overdue(request))
            .collect();
        fail(overdue, fault.clone());
    }

    /// The session of the last attempt, or a new one. See [`ready`](Self::ready).
    async fn open(&mut self, batch: &mut Vec<Request>) -> Result<LogSession, Fault> {
        let incarnation = self.log.incarnation();
        // Another connection may have found that the log was replaced. Then this session leads to a
        // server that is not the primary any more.
        let kept = self.session.take();
        let current = kept.filter(|session| session.incarnation() == incarnation);
        let session = if let Some(session) = current {
            session
        } else {
            self.is_behind = true;
            LogSession::open(&self.link, self.sql.clone()).await?
        };
        if session.incarnation() != self.incarnation {
            // Nothing that is known of the old log holds. Position 0 makes the catch-up start over,
            // and boundaries that were read from the old log are refused by their incarnation.
            self.incarnation = session.incarnation();
            self.head.position = Position::START;
            self.window.reset(Position::START);
            self.checked = Position::START;
        }
        let sent: Vec<_> = batch
            .iter()
            .filter(|request| request.is_sent)
            .map(|request| request.append.command.as_uuid())
            .collect();
        if !sent.is_empty() {
            // The order matters: a statement that is still on its way to the server fails once the
            // epoch is raised, so the lookup after it is final. A lookup alone might come too early.
            let processed = session.fence_and_lookup(sent).await?;
            // The epoch and perhaps the head have changed.
            self.is_behind = true;
            answer_stored(batch, &processed);
            for request in batch.iter_mut() {
                request.is_sent = false;
            }
        }
        Ok(session)
    }
}

/// Marks the requests that a lost connection may have written.
fn mark_sent(batch: &mut [Request]) {
    for request in batch.iter_mut().filter(|request| request.is_written()) {
        request.is_sent = true;
        request.was_sent = true;
    }
}

/// Answers the requests whose commands are recorded, and takes them out of the batch.
fn answer_stored(batch: &mut Vec<Request>, processed: &HashMap<CommandId, StoredCommand>) {
    for request in batch.extract_if(.., |it| processed.contains_key(&it.append.command)) {
        if let Some(stored) = processed.get(&request.append.command) {
            request.answer_stored(*stored);
        }
    }
}

fn fail(batch: Vec<Request>, fault: Fault) -> Vec<Vec<Request>> {
    let error = AppendError::from(fault);
    for request in batch {
        request.fail(&error);
    }
    Vec::new()
}
