use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cqrs_core::Position;
use cqrs_core::store::{
    Append, AppendError, AppendToken, Appended, EventQuery, StoreError, StoredCommand,
};
use cqrs_kit::batch::Batched;
use cqrs_kit::command_time::sent_at;
use cqrs_kit::prepared::Prepared;
use tokio::sync::oneshot;

use super::encoded_statement::EncodedStatement;
use crate::writes::SqlWrites;

/// Number of conflicts after which a request queues for leases of its tags.
const CONFLICTS_BEFORE_LEASE: u32 = 2;

/// Maximum length in bytes of a tag that has a queue. More than PostgreSQL has room for in an entry of an
/// index would fail the append.
const MAX_QUEUE_TAG: usize = 2048;

/// An append on its way through the writing task.
pub(crate) struct Request {
    pub(crate) append: Prepared,
    pub(crate) disposition: Disposition,
    /// The statements of its handler, bound to the current session.
    pub(crate) statements: Vec<EncodedStatement>,
    /// Why one of them cannot be executed, or failed in the last attempt.
    pub(crate) failure: Option<AppendError>,
    /// Where it met a lock of another transaction in the last attempt, to be waited for before the next one.
    pub(crate) blocked: Option<BlockedAt>,
    /// Number of attempts in which it met one.
    pub(crate) times_blocked: usize,
    /// The connection was lost after it was sent, so it may be in the log. Cleared by a lookup.
    pub(crate) is_sent: bool,
    /// It was sent on a connection that was lost, however that was resolved.
    pub(crate) was_sent: bool,
    /// The command may have been recorded before: its id was given, or it was sent already. Otherwise the
    /// id was made for this very append.
    pub(crate) may_be_recorded: bool,
    /// When it was queued.
    pub(super) queued: Instant,
    /// When its command was sent.
    pub(super) sent_at: Option<Instant>,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The decision about a request.
pub(crate) enum Disposition {
    /// Write it at these positions.
    Write(Appended),
    /// Do not write it: its command has this record.
    Replay(StoredCommand),
    /// Do not write it.
    Refuse(AppendError),
    /// Decide it in a later round.
    Later,
    /// Decide it later, since another process has the lease of one of its tags, or since it follows such
    /// a request. It is not refused meanwhile: there may be no evidence (I10).
    Wait,
}

/// Where a request meets a lock of another transaction.
pub(crate) enum BlockedAt {
    /// In the statement with this number, from 0.
    Statement(usize),
    /// In the commit, which checks deferred constraints.
    Commit,
}

impl Batched for Request {
    fn bytes(&self) -> usize {
        self.append.bytes
    }
}

impl Request {
    pub(crate) fn new(
        append: Append,
    ) -> Result<(Self, oneshot::Receiver<Result<Appended, AppendError>>), AppendError> {
        let (reply, answer) = oneshot::channel();
        let request = Self {
            may_be_recorded: append.has_given_id,
            append: Prepared::new(append)?,
            disposition: Disposition::Later,
            statements: Vec::new(),
            failure: None,
            blocked: None,
            times_blocked: 0,
            is_sent: false,
            was_sent: false,
            queued: Instant::now(),
            sent_at: sent_at(),
            reply,
        };
        Ok((request, answer))
    }

    /// Whether it can be decided behind a batch in flight, on the log up to `tip`, by a window that begins
    /// after `floor`. If it queues for a lease, it is sent to the end of the log, alone.
    pub(super) fn can_follow(&self, tip: Position, floor: Position) -> bool {
        let mut boundaries = self.append.boundaries.iter();
        !self.is_sent
            && !self.queues_for_lease()
            && self.append.states.is_empty()
            && boundaries
                .all(|it| it.after <= tip && (it.after >= floor || it.after_append.is_some()))
    }

    /// Whether it was accepted, to be written with the batch.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self.disposition, Disposition::Write(_))
    }

    /// Whether its command is in the log once the batch is written: with the batch, or from before.
    pub(crate) fn is_recorded(&self) -> bool {
        matches!(
            self.disposition,
            Disposition::Write(_) | Disposition::Replay(_)
        )
    }

    /// Whether its statements are to be executed with the batch.
    pub(crate) fn has_statements(&self) -> bool {
        self.is_written() && !self.statements.is_empty()
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.disposition, Disposition::Refuse(_))
    }

    /// Whether it is left for a later round.
    pub(crate) fn is_deferred(&self) -> bool {
        matches!(self.disposition, Disposition::Later)
    }

    /// Whether it waits for the lease of another process.
    pub(super) fn waits_for_lease(&self) -> bool {
        matches!(self.disposition, Disposition::Wait)
    }

    /// Lets it wait for the lease of another process. From now on it queues for one itself.
    pub(super) fn wait_for_lease(&mut self) {
        self.disposition = Disposition::Wait;
        let conflicts = &mut self.append.conflicts;
        *conflicts = CONFLICTS_BEFORE_LEASE.max(*conflicts);
    }

    /// To be decided again. If that fails before it is decided, it has not waited once more.
    pub(super) fn retried(mut self) -> Self {
        self.disposition = Disposition::Later;
        self
    }

    /// Whether it follows one of the appends with these tokens.
    pub(super) fn follows(&self, tokens: &BTreeSet<AppendToken>) -> bool {
        let boundaries = &mut self.append.boundaries.iter();
        boundaries.any(|it| it.after_append.is_some_and(|token| tokens.contains(&token)))
    }

    /// Whether it has lost against other processes so often that it queues for leases.
    pub(super) fn queues_for_lease(&self) -> bool {
        self.append.conflicts >= CONFLICTS_BEFORE_LEASE && self.has_short_tags()
    }

    /// Whether the tags that it depends on fit into the index of a queue. Only those of events have a limit.
    fn has_short_tags(&self) -> bool {
        let mut boundaries = self.append.boundaries.iter();
        boundaries.all(|boundary| match &*boundary.fail_if {
            EventQuery::All => true,
            EventQuery::Items(items) => {
                let mut tags = items.iter().filter_map(|item| item.tags.first());
                tags.all(|tag| tag.as_str().len() <= MAX_QUEUE_TAG)
            }
        })
    }

    /// Whether it was refused, and may wait for a lease instead. Otherwise it might use up its attempts
    /// while other processes have their turns.
    pub(super) fn is_contested(&self) -> bool {
        let is_conflict = matches!(
            self.disposition,
            Disposition::Refuse(AppendError::Conflict { .. })
        );
        is_conflict && self.queues_for_lease()
    }

    /// Records that it met a lock of another transaction.
    pub(super) fn mark_blocked(&mut self, at: BlockedAt) {
        self.blocked = Some(at);
        self.times_blocked += 1;
    }

    /// The text of the statement that met a lock, and the statement.
    pub(super) fn blocked_statement(&self) -> Option<(&str, &EncodedStatement)> {
        let Some(BlockedAt::Statement(number)) = self.blocked else {
            return None;
        };
        let writes = self.append.writes.as_ref()?.get::<SqlWrites>()?;
        let recorded = writes.statements().get(number)?;
        Some((recorded.sql(), self.statements.get(number)?))
    }

    /// Time since it was queued.
    pub(super) fn age(&self) -> Duration {
        self.queued.elapsed()
    }

    /// Answers the caller. If the future was dropped, the append is done all the same.
    pub(crate) fn answer(self, answer: Result<Appended, AppendError>) {
        let _ = self.reply.send(answer);
    }

    /// Answers with the record of its command's id: as a replay, even if this request was sent without
    /// an answer. The record may be that of an earlier request under the same id, which was decided
    /// on another state.
    pub(crate) fn answer_stored(self, stored: StoredCommand) {
        let answer = self.append.replay(stored);
        self.answer(answer);
    }

    /// Answers with the error if it was not written, with `Indeterminate` if it may have been.
    pub(crate) fn fail(self, error: &AppendError) {
        let error = match error {
            AppendError::Store(StoreError::Unavailable { reason }) if self.is_sent => {
                AppendError::Indeterminate {
                    reason: reason.clone(),
                }
            }
            // The lookup failed with this error, so the outcome stays unknown.
            error if self.is_sent => AppendError::Indeterminate {
                reason: error.to_string().into(),
            },
            error => error.clone(),
        };
        self.answer(Err(error));
    }
}
