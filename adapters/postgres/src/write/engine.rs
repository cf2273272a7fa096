use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::{AppendError, ConflictWindow, Decider, Incarnation, StateKey};

use tracing::warn;

use super::backoff::Backoff;
use super::columns::Columns;
use super::decide::refusal;
use super::request::{Disposition, Request, place};
use super::session::Session;
use crate::Options;
use crate::fault::{Fault, Kind};
use crate::link::Link;
use crate::row::Head;
use crate::sql::Sql;
use crate::tail::LogTail;

/// How often other processes may be faster before the batch has the log to itself.
const MAX_TIMES_OVERTAKEN: usize = 3;

/// How often a batch is tried again for other reasons that pass.
const MAX_ATTEMPTS: usize = 32;

/// Writes batches of requests.
pub(super) struct Engine {
    link: Link,
    sql: Arc<Sql>,
    session: Option<Session>,
    /// The end of the log as far as it is known, and the recent events up to it; while a batch is
    /// decided, with the events that it is about to write.
    head: Head,
    incarnation: Incarnation,
    window: ConflictWindow,
    window_size: usize,
    /// Another process wrote to the log since.
    is_behind: bool,
    /// The highest head that others have told of.
    told: Position,
    retry_timeout: Duration,
    /// Why there is no session, since the last attempt to open one.
    away: Option<Fault>,
    tail: LogTail,
}

/// How it ended to decide about a batch and to write it.
enum Round {
    /// What was decided is answered.
    Done,
    /// Another process was faster; nothing was written.
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

    /// Carries out the batch. A request that fails by its own fault is parted from the rest, so
    /// that it fails alone.
    pub(super) async fn write(&mut self, batch: Vec<Request>) {
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let rest = self.attempt(batch).await;
            // The last is the next to be carried out.
            waiting.extend(rest.into_iter().rev().filter(|part| !part.is_empty()));
        }
    }

    /// Returns what is left to do, in order.
    async fn attempt(&mut self, mut batch: Vec<Request>) -> Vec<Vec<Request>> {
        let (mut times_overtaken, mut tries) = (0, 0);
        loop {
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
                // Those that are still there were looked up after they were sent, or never sent.
                Kind::Lost if tries > 1 => self.fail_overdue(&mut batch, &fault),
                Kind::Lost | Kind::Contention => {}
                // A command that is there already, or a position: then this is behind.
                Kind::Duplicate => {
                    self.is_behind = true;
                    self.answer_processed(&mut batch).await;
                }
                Kind::Data if batch.len() > 1 => {
                    let after = batch.split_off(batch.len() / 2);
                    return vec![batch, after];
                }
                _ => return fail(batch, fault),
            }
        }
    }

    /// Decides about the batch, writes what is to be written, and answers. The batch keeps what is
    /// to be decided later.
    async fn round(
        &mut self,
        session: &Session,
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
        // Even if the lock was not to be had: the transaction has begun.
        if lock && !matches!(written, Ok(true)) {
            session.roll_back().await?;
        }
        if !written? {
            return Ok(Round::Overtaken);
        }
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

    /// Whether nobody was faster.
    async fn decide_and_write(
        &mut self,
        session: &Session,
        batch: &mut [Request],
        lock: bool,
    ) -> Result<bool, Fault> {
        // Known once: what was told and turned out to be wrong is not looked up for ever.
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
        if !session.append(&columns, &self.head).await? {
            return Ok(false);
        }
        if lock {
            session.commit().await?;
        }
        (self.head.position, self.head.time) = (self.window.head(), columns.head().1);
        Ok(true)
    }

    /// Learns what other processes wrote.
    async fn catch_up(&mut self, session: &Session) -> Result<(), Fault> {
        let (head, seen) = session.head().await?;
        if head.position < self.head.position || !self.tail.observe(self.incarnation, &seen) {
            session.recognize(&self.tail).await?;
            // The next session begins with what is known of the log by then.
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
    async fn decide(&mut self, session: &Session, batch: &mut [Request]) -> Result<(), Fault> {
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
            time = appended.time.map_or(time, |time| time.as_microsecond());
            request.append.add_to(&mut self.window);
            for write in &request.append.states {
                states.insert(write.key.clone(), appended.last);
            }
            request.disposition = Disposition::Write(appended);
        }
        Ok(())
    }

    /// Answers what was refused. A command that was processed before is no conflict: the events
    /// in its way may be its own.
    async fn answer_refused(
        &self,
        session: &Session,
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

    /// Answers those that were processed before; if they cannot be looked up now, the next round
    /// comes here again.
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

    /// A session, and certainty about what an earlier one was sent: requests that are in the log
    /// are answered, the others are not there and will not be.
    async fn ready(&mut self, batch: &mut Vec<Request>) -> Result<Session, Fault> {
        let mut backoff = Backoff::new(Duration::MAX);
        loop {
            // Those who have waited for too long, as behind an earlier batch, wait no longer.
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

    async fn open(&mut self, batch: &mut Vec<Request>) -> Result<Session, Fault> {
        let incarnation = self.tail.incarnation();
        let known = self.session.take();
        let current = known.filter(|session| session.incarnation() == incarnation);
        let session = if let Some(session) = current {
            session
        } else {
            self.is_behind = true;
            Session::open(&self.link, self.sql.clone()).await?
        };
        if session.incarnation() != self.incarnation {
            // Nothing that was known of the log holds: the window is filled from where it ends now.
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
