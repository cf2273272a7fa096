use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::{AppendError, Incarnation, StateKey};
use cqrs_core::{Position, Timestamp};
use cqrs_kit::decider::{ConflictWindow, Decider};

use tracing::warn;

use super::columns::Columns;
use super::decide::refusal;
use super::log_session::LogSession;
use super::reconnect_backoff::ReconnectBackoff;
use super::request::{Disposition, Request, place};
use crate::Options;
use crate::fault::{Fault, Kind};
use crate::link::Link;
use crate::row::Head;
use crate::sql::Sql;
use crate::tail::LogTail;

/// Number of times that other processes may overtake a batch before it locks the head.
const MAX_TIMES_OVERTAKEN: usize = 3;

/// Number of times that a batch is retried for other transient reasons.
const MAX_ATTEMPTS: usize = 32;

/// Writes batches of requests.
///
/// A batch is decided in memory, against the window, and written with one statement that compares the
/// head with the one it was decided against, and sets it. So there are two invariants:
///
/// - Between batches, the window ends at `head.position`. Within a round it runs ahead of the head by
///   the events that are about to be written; the next attempt truncates it.
/// - A request is answered exactly once: when it is written, refused or failed. One that was sent
///   without an answer (`is_sent`) is answered only after a lookup on a fenced log.
///
pub(super) struct Engine {
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
    /// The head that was last published in this process.
    told: Position,
    retry_timeout: Duration,
    /// The fault of the last attempt to open a session, while there is none.
    away: Option<Fault>,
    tail: LogTail,
}

/// The end of a round of deciding and writing.
enum Round {
    /// Everything that was decided is answered.
    Done,
    /// Another process moved the head first. Nothing was written.
    Overtaken,
}

impl Engine {
    pub(super) fn new(
        link: Link,
        sql: Arc<Sql>,
        head: Head,
        tail: LogTail,
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
            told: Position::START,
            retry_timeout: options.retry_timeout,
            away: None,
            tail,
        }
    }

    /// Carries out the batch. If a request fails because of its own data, the batch is bisected until
    /// that request fails alone (I11).
    pub(super) async fn write(&mut self, batch: Vec<Request>) {
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let rest = self.attempt(batch).await;
            // `pop` takes from the end, and requests keep their order.
            waiting.extend(rest.into_iter().rev().filter(|part| !part.is_empty()));
        }
    }

    /// Returns the parts of the batch that remain to be carried out, in order.
    async fn attempt(&mut self, mut batch: Vec<Request>) -> Vec<Vec<Request>> {
        let (mut times_overtaken, mut tries) = (0, 0);
        loop {
            // An earlier attempt may have left events in the window that were not written.
            self.window.truncate(self.head.position);
            let ready = self.ready(&mut batch).await;
            let fault = match ready {
                Ok(_) if batch.is_empty() => return Vec::new(),
                Ok(session) => match self
                    .round(&session, &mut batch, times_overtaken >= MAX_TIMES_OVERTAKEN)
                    .await
                {
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
                        // The statement may have been carried out all the same. Whether it was is
                        // found out in `open`, before anything else is sent.
                        let sent = batch.iter_mut().filter(|request| request.is_written());
                        for request in sent {
                            request.is_sent = true;
                            request.was_sent = true;
                        }
                        fault
                    }
                    Err(fault) => {
                        self.session = Some(session);
                        fault
                    }
                },
                Err(fault) => return fail(batch, fault),
            };
            tries += 1;
            match fault.kind() {
                _ if tries > MAX_ATTEMPTS => return fail(batch, fault),
                // `ready` has looked up what was sent, so what remains was not written.
                Kind::Lost if tries > 1 => self.fail_overdue(&mut batch, &fault),
                Kind::Lost | Kind::Contention => {}
                // A command that was recorded before, or a position that is taken: the latter
                // only if this process is behind.
                Kind::Duplicate => {
                    self.is_behind = true;
                    self.answer_processed(&mut batch).await;
                }
                // PostgreSQL does not tell whose value it refuses, so the batch is halved.
                Kind::Data if batch.len() > 1 => {
                    let after = batch.split_off(batch.len() / 2);
                    return vec![batch, after];
                }
                _ => return fail(batch, fault),
            }
        }
    }

    /// Decides the batch, writes what is accepted, and answers. Requests to be decided in a later
    /// round stay in the batch. With `lock`, the head is locked first, so nobody can overtake.
    async fn round(
        &mut self,
        session: &LogSession,
        batch: &mut Vec<Request>,
        lock: bool,
    ) -> Result<Round, Fault> {
        for request in batch.iter_mut() {
            request.disposition = Disposition::Later;
        }
        let written = async {
            if lock {
                session.lock().await?;
            }
            self.decide_and_write(session, batch, lock).await
        };
        let written = written.await;
        // Also if the lock was not granted, because the transaction has begun by then.
        if lock && !matches!(written, Ok(true)) {
            session.roll_back().await?;
        }
        if !written? {
            return Ok(Round::Overtaken);
        }
        // Followers first, then callers: whoever has an answer finds its events in the tail.
        let written = batch.iter_mut().filter(|request| request.is_written());
        let events = written.flat_map(|request| request.append.take_events());
        self.tail
            .on_appended(self.incarnation, self.head.position, events);
        for request in batch.extract_if(.., |request| request.is_written()) {
            if let Disposition::Write(appended) = request.disposition {
                request.answer(Ok(appended));
            }
        }
        self.answer_refused(session, batch).await?;
        Ok(Round::Done)
    }

    /// Returns whether the batch was written: `false` if another process moved the head.
    async fn decide_and_write(
        &mut self,
        session: &LogSession,
        batch: &mut [Request],
        lock: bool,
    ) -> Result<bool, Fault> {
        // A published head is looked up once. If it was wrong, it must not cost every batch a look.
        let told = self.tail.heads.position();
        let is_behind = self.is_behind || told > self.head.position.max(self.told);
        self.told = told;
        let ahead = |request: &Request| request.append.is_ahead_of(self.head.position);
        if lock || is_behind || batch.iter().any(ahead) {
            self.catch_up(session).await?;
        }
        self.decide(session, batch).await?;
        let mut columns = Columns::new(&self.head);
        for request in batch.iter() {
            if let Disposition::Write(appended) = &request.disposition {
                columns.add(&request.append, appended);
            }
        }
        if columns.is_empty() {
            if lock {
                session.commit().await?;
            }
            return Ok(true);
        }
        // The compare-and-set. Nothing else makes positions contiguous across processes.
        if !session.append(&columns, &self.head).await? {
            return Ok(false);
        }
        if lock {
            session.commit().await?;
        }
        (self.head.position, self.head.time) = (self.window.head(), columns.head().1);
        Ok(true)
    }

    /// Brings head and window up to what other processes wrote.
    async fn catch_up(&mut self, session: &LogSession) -> Result<(), Fault> {
        let (head, seen) = session.head().await?;
        if head.position < self.head.position || !self.tail.observe(self.incarnation, &seen) {
            session.recognize(&self.tail).await?;
            // The next session starts over with the log as it is by then.
            return Err(Fault::new(Kind::Lost, "the log was replaced"));
        }
        let window = &mut self.window;
        let followed = session.follow(window, head.position, self.window_size);
        followed.await?;
        self.head = head;
        self.is_behind = false;
        Ok(())
    }

    /// Gives each request its disposition. The events of those to be written are in the window then,
    /// so that each request is decided as if the ones before it had been written.
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
            // One statement cannot write a command twice; the second finds it in a later round.
            let is_first = commands.insert(request.append.command);
            if !is_first || !decider.is_decidable(&request.append.boundaries) {
                continue;
            }
            if let Some(refusal) = refusal(decider, session, &request.append, &states).await? {
                request.disposition = Disposition::Refuse(refusal);
                continue;
            }
            let appended = place(&mut request.append, self.window.head(), time)?;
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
    /// append, even if there is a conflict: the events in its way may be its own (I6).
    async fn answer_refused(
        &self,
        session: &LogSession,
        batch: &mut Vec<Request>,
    ) -> Result<(), Fault> {
        let refused = batch
            .iter()
            .filter(|request| matches!(request.disposition, Disposition::Refuse(_)))
            .map(|request| request.append.command.as_uuid());
        let refused: Vec<_> = refused.collect();
        if refused.is_empty() {
            return Ok(());
        }
        let processed = session.commands(refused).await?;
        let is_refused = |it: &mut Request| matches!(it.disposition, Disposition::Refuse(_));
        for mut request in batch.extract_if(.., is_refused) {
            let disposition = std::mem::replace(&mut request.disposition, Disposition::Later);
            match (processed.get(&request.append.command), disposition) {
                (Some(stored), _) => request.answer_stored(*stored),
                (None, Disposition::Refuse(refusal)) => request.answer(Err(refusal)),
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Answers requests whose commands were recorded before. If they cannot be looked up now, the next
    /// attempt gets here again.
    async fn answer_processed(&mut self, batch: &mut Vec<Request>) {
        let Some(session) = &self.session else {
            return;
        };
        let ids = batch.iter().map(|request| request.append.command.as_uuid());
        match session.commands(ids.collect()).await {
            Ok(processed) => {
                for request in batch.extract_if(.., |it| processed.contains_key(&it.append.command))
                {
                    if let Some(stored) = processed.get(&request.append.command) {
                        request.answer_stored(*stored);
                    }
                }
            }
            Err(fault) if fault.kind() == Kind::Lost => self.session = None,
            Err(_) => {}
        }
    }

    /// A session, and certainty about what was sent on an earlier one: requests that were written are
    /// answered, and the others are not in the log and never will be.
    async fn ready(&mut self, batch: &mut Vec<Request>) -> Result<LogSession, Fault> {
        let mut backoff = ReconnectBackoff::new(Duration::MAX);
        loop {
            // Requests that have waited too long, as behind an earlier batch, are given up.
            if let Some(fault) = self.away.clone() {
                self.fail_overdue(batch, &fault);
                if batch.is_empty() {
                    return Err(fault);
                }
            }
            match self.open(batch).await {
                Ok(session) => {
                    self.away = None;
                    return Ok(session);
                }
                Err(fault) if fault.kind() == Kind::Lost => {
                    let waiting = batch.len();
                    warn!(waiting, reason = %fault, "appends have no connection: trying again");
                    self.away = Some(fault.clone());
                }
                Err(fault) => return Err(fault),
            }
            if !batch.iter().all(|it| self.is_overdue(it)) {
                backoff.pause().await;
            }
        }
    }

    fn is_overdue(&self, request: &Request) -> bool {
        request.is_overdue(self.retry_timeout, self.link.dial.deadlines.answer)
    }

    fn fail_overdue(&self, batch: &mut Vec<Request>, fault: &Fault) {
        let overdue = batch.extract_if(.., |request| self.is_overdue(request));
        let overdue = overdue.collect();
        fail(overdue, fault.clone());
    }

    async fn open(&mut self, batch: &mut Vec<Request>) -> Result<LogSession, Fault> {
        let incarnation = self.tail.incarnation();
        let known = self.session.take();
        let current = known.filter(|session| session.incarnation() == incarnation);
        let session = if let Some(session) = current {
            session
        } else {
            self.is_behind = true;
            LogSession::open(&self.link, self.sql.clone()).await?
        };
        if session.incarnation() != self.incarnation {
            // Nothing that is known of the old log holds. Position 0 makes the catch-up start over.
            self.incarnation = session.incarnation();
            self.head.position = Position::START;
            self.window.reset(Position::START);
            self.told = Position::START;
        }
        let sent = batch.iter().filter(|request| request.is_sent);
        let sent: Vec<_> = sent
            .map(|request| request.append.command.as_uuid())
            .collect();
        if !sent.is_empty() {
            // Raising the epoch makes the compare-and-set of an append that is still on its way
            // fail, so the lookup after it is final.
            let processed = session.fence_and_lookup(sent).await?;
            self.is_behind = true;
            for request in batch.extract_if(.., |it| processed.contains_key(&it.append.command)) {
                if let Some(stored) = processed.get(&request.append.command) {
                    request.answer_stored(*stored);
                }
            }
            for request in batch.iter_mut() {
                request.is_sent = false;
            }
        }
        Ok(session)
    }
}

fn fail(batch: Vec<Request>, fault: Fault) -> Vec<Vec<Request>> {
    let error = AppendError::from(fault);
    for request in batch {
        request.fail(&error);
    }
    Vec::new()
}
