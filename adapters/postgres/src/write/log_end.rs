use std::collections::{HashMap, HashSet};

use cqrs_core::store::{Incarnation, StateKey, StoredCommand};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_kit::decider::{ConflictWindow, Decider};
use futures_util::future::try_join;
use uuid::Uuid;

use super::at_end::{Contention, EndAppend};
use super::batch::Batch;
use super::decide::refusal;
use super::flight::lookup;
use super::log_session::LogSession;
use super::request::{Disposition, Request};
use super::sessions::Ready;
use crate::fault::{Fault, Kind};
use crate::known_log::KnownLog;
use crate::row::Head;

/// The end of the log, as this process knows it: the head, and the events before it. Batches are decided
/// on it.
///
/// Invariants:
///
/// - The window ends at `tip.position`. While no batch is in flight, `tip` equals `head`, once what was
///   not written has been cut off the window: see [`forget_unwritten`](LogEnd::forget_unwritten).
/// - The window has the tokens of requests that were written or are in flight, and of no others.
pub(super) struct LogEnd {
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

impl LogEnd {
    /// The head is durable.
    pub(super) fn new(head: Head, window_size: usize, log: KnownLog) -> Self {
        Self {
            head,
            tip: head,
            incarnation: Incarnation::default(),
            window: ConflictWindow::new(head.position, window_size),
            window_size,
            resent: HashSet::new(),
            is_behind: false,
            checked: Position::START,
            flushed: head.position,
            contention: Contention::default(),
            log,
        }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn tip(&self) -> &Head {
        &self.tip
    }

    /// Maximum number of events of other processes that are added to the window. After more, it starts
    /// over at the head.
    pub(super) fn max_tail(&self) -> usize {
        self.window_size
    }

    /// Whether other processes write, so that a batch is sent alone, to the end of the log.
    pub(super) fn is_contended(&self) -> bool {
        self.contention.is_present()
    }

    /// Whether all events up to the head are durable, or are those of batches in flight. The latter wait
    /// for the disk, and are answered before any batch that is sent behind them.
    pub(super) fn is_durable(&self) -> bool {
        let head = self.head.position;
        head <= self.flushed || self.log.is_durable(head)
    }

    /// Whether a batch can be decided behind those in flight. If not, it has to wait for them: it needs the
    /// log for its decision, or another process has written, so that those in flight will be void.
    pub(super) fn can_follow(&self, batch: &Batch) -> bool {
        let is_up_to_date = !self.is_behind && self.published() <= self.known();
        is_up_to_date
            && !self.is_contended()
            && !self.has_uncertain(batch)
            && batch.can_follow(self.tip.position, self.window.floor())
    }

    /// Whether a batch can be written at the end of the log, wherever that is. Not if it has commands whose
    /// records no insert would find: they were looked up as of this head.
    pub(super) fn fits_any_end(&self, batch: &Batch) -> bool {
        batch.has_events_only() && !self.has_uncertain(batch)
    }

    /// Begins to decide while no batch is in flight. Batches that were not written have left their events
    /// in the window, and the positions after them would not follow the head.
    pub(super) fn forget_unwritten(&mut self) {
        self.window.truncate(self.head.position);
        self.tip = self.head;
    }

    /// Takes back what a batch has added to the window, which was decided and not sent.
    pub(super) fn forget_unsent(&mut self, batch: &Batch) {
        batch.withdraw_from(&mut self.window);
        self.window.truncate(self.tip.position);
    }

    /// A batch was sent, which sets this head.
    pub(super) fn on_sent(&mut self, after: Head) {
        self.tip = after;
    }

    /// The batch was written, and the head is this one. Its events are published for readers in this
    /// process. Followers before callers: a caller that reads after its answer finds its events in memory.
    pub(super) fn on_written(&mut self, batch: &mut Batch, head: Head) {
        self.head = head;
        // Without an append of its own, the head may be one that another process has not made durable.
        if !batch.requests.iter().any(Request::is_written) {
            return;
        }
        self.flushed = head.position;
        self.contention.on_written();
        let written = batch.requests.iter_mut().filter(|it| it.is_written());
        let events = written.flat_map(|request| request.append.take_events());
        self.log
            .on_appended(self.incarnation, self.head.position, events);
    }

    /// The batch was sent and not written. Its events stay in the window until all batches in flight are
    /// answered.
    pub(super) fn on_not_written(&mut self, batch: &Batch) {
        batch.withdraw_from(&mut self.window);
    }

    /// Another process has moved the head first.
    pub(super) fn on_overtaken(&mut self) {
        self.is_behind = true;
        self.contention.on_others();
    }

    /// A row that was to be inserted is there already, perhaps because another process has written it.
    pub(super) fn on_duplicate(&mut self) {
        self.is_behind = true;
    }

    /// The batch was written at the end of the log, after events of other processes. Places it and them in
    /// the window, and returns the new head.
    pub(super) fn on_end_append(
        &mut self,
        append: EndAppend,
        batch: &mut Batch,
    ) -> Result<Head, Fault> {
        self.contention.on_append(&append);
        self.resent.extend(append.resent());
        let after = append.place(batch, &mut self.window, self.head.position)?;
        // The waiting commit came after all of it, even if nothing was written.
        self.flushed = after.position;
        Ok(after)
    }

    /// The next batch is decided with this session.
    pub(super) fn on_session(&mut self, ready: &Ready) {
        self.is_behind |= ready.is_behind;
        if ready.is_behind {
            // Events of other processes may not have been durable. The server may have lost them in a
            // crash, and have others at their positions by now, up to the published head or beyond it.
            self.head.position = self.head.position.min(self.flushed);
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
    }

    /// Catches up if there is a reason, since that costs two round trips: another process is known or said to
    /// have written, or a caller has read further than this task. Without a reason the batch is decided
    /// on what may be an old head, and then the compare-and-set fails. An append at the end of the log, wherever
    /// that is, brings the events of others with its answer, so it needs no reason to have read them before.
    pub(super) async fn catch_up_for(
        &mut self,
        session: &LogSession,
        batch: &Batch,
        is_for_end: bool,
    ) -> Result<(), Fault> {
        let head = self.head.position;
        let is_ahead = batch.requests.iter().any(|it| it.append.is_ahead_of(head));
        let others_wrote = self.published() > self.known();
        if others_wrote {
            self.contention.on_others();
        }
        // A published head counts once: a wrong one must not cost every batch a round trip.
        self.checked = self.published();
        if self.is_behind || is_ahead || (others_wrote && !is_for_end) {
            self.catch_up(session).await?;
        }
        Ok(())
    }

    /// Brings head and window to the end of the log, with the appends of other processes.
    pub(super) async fn catch_up(&mut self, session: &LogSession) -> Result<(), Fault> {
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

    /// Gives each request its disposition, and returns the head that the batch sets. The events of
    /// accepted requests go into the window, so that each request is decided as if the ones before it,
    /// also those in flight, were in the log already (I2).
    pub(super) async fn decide(
        &mut self,
        session: &LogSession,
        batch: &mut Batch,
    ) -> Result<Head, Fault> {
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

    /// The head that this process has published, of its own appends and of those it has heard of.
    fn published(&self) -> Position {
        self.log.heads().position()
    }

    /// The last position that needs no catch-up.
    fn known(&self) -> Position {
        self.tip.position.max(self.checked)
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

    fn has_uncertain(&self, batch: &Batch) -> bool {
        batch.requests.iter().any(|it| self.is_uncertain(it))
    }

    /// Whether the command may have a record that no insert would find.
    fn is_uncertain(&self, request: &Request) -> bool {
        let command = request.append.command;
        command.is_assigned() && (request.may_be_recorded || self.resent.contains(&command))
    }
}
