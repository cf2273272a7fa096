use std::collections::HashMap;

use cqrs_core::store::{AppendError, StoredCommand};
use cqrs_core::{CommandId, Position};
use cqrs_kit::decider::ConflictWindow;

use super::log_session::LogSession;
use super::request::{BlockedAt, Disposition, Request};
use super::rows::BatchRows;
use super::statements::FailedStatement;
use crate::fault::{Fault, Kind};
use crate::row;
use crate::writes::SqlWrites;

/// How long a statement waits for a lock of another transaction, while the head is locked.
const LOCK_TIMEOUT: &str = "20ms";

/// How long it waits while requests are known to wait for locks, since it may need the same ones.
const SHORT_LOCK_TIMEOUT: &str = "1ms";

/// Requests that are decided and written together, in the order of their arrival.
pub(super) struct Batch {
    pub(super) requests: Vec<Request>,
    /// Number of times that another process moved the head first.
    pub(super) times_overtaken: usize,
    /// Number of attempts that ended with another transient fault.
    pub(super) attempts: usize,
    /// It is decided only while no other batch is in flight.
    pub(super) is_alone: bool,
    /// Requests that have left their batches wait for locks of other transactions.
    pub(super) is_lock_known: bool,
}

impl Batch {
    pub(super) fn new(requests: Vec<Request>) -> Self {
        Self {
            requests,
            times_overtaken: 0,
            attempts: 0,
            is_alone: false,
            is_lock_known: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether it can be decided behind a batch in flight, on the log up to `tip`, by a window that begins
    /// after `floor`: without a question to the log, which would be answered only after that batch, and
    /// with no request of unknown outcome.
    pub(super) fn can_follow(&self, tip: Position, floor: Position) -> bool {
        let mut requests = self.requests.iter();
        !self.is_alone && requests.all(|request| request.can_follow(tip, floor))
    }

    /// Whether no request has more than events. Stored states are compared before the batch is written,
    /// and statements of handlers need its transaction.
    pub(super) fn has_events_only(&self) -> bool {
        self.requests.iter().all(|it| {
            it.append.states.is_empty() && it.statements.is_empty() && it.failure.is_none()
        })
    }

    /// Whether it has requests with [`numbers`](Self::numbers).
    pub(super) fn has_numbers(&self) -> bool {
        self.numbers().any(|number| number.is_some())
    }

    /// Whether one of its requests queues for leases.
    pub(super) fn queues_for_lease(&self) -> bool {
        self.requests.iter().any(Request::queues_for_lease)
    }

    /// For each request, its number when the batch is written at the end of the log. The accepted ones come
    /// first, then those that are refused unless they have to wait for a lease.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Option<i64>> {
        let accepted = self.requests.iter().filter(|it| it.is_written()).count();
        let mut written = 1..;
        let mut refused = row::count(accepted + 1)..;
        self.requests.iter().map(move |request| {
            if request.is_written() {
                written.next()
            } else if request.is_contested() {
                refused.next()
            } else {
                None
            }
        })
    }

    /// Adds the rows of the accepted requests.
    pub(super) fn add_to<'b>(&'b self, rows: &mut BatchRows<'b>) {
        for request in &self.requests {
            if let Disposition::Write(appended) = &request.disposition {
                rows.add(&request.append, appended);
            }
        }
    }

    /// Withdraws the tokens of the accepted requests from the window, after they were not written: a
    /// request that follows one of them must not be accepted (I2).
    pub(super) fn withdraw_from(&self, window: &mut ConflictWindow) {
        let accepted = self.requests.iter().filter(|it| it.is_written());
        for request in accepted {
            request.append.withdraw_from(window);
        }
    }

    /// Leaves refused requests for a later round, unless the evidence is in the log up to `head`. The
    /// others were refused because of requests of the batch, which got other positions or were not written,
    /// or because the log was shorter (I10).
    pub(super) fn defer_refused(&mut self, head: Position) {
        for request in &mut self.requests {
            if let Disposition::Refuse(refusal) = &request.disposition
                && !matches!(refusal, AppendError::Conflict { at } if *at <= head)
            {
                request.disposition = Disposition::Later;
            }
        }
    }

    /// The commands of the refused requests that may have been recorded before.
    pub(super) fn refused(&self) -> Vec<CommandId> {
        let refused = self
            .requests
            .iter()
            .filter(|it| it.is_refused() && it.may_be_recorded);
        refused.map(|request| request.append.command).collect()
    }

    /// The commands of the requests that may be in the log.
    pub(super) fn sent(&self) -> Vec<CommandId> {
        let sent = self.requests.iter().filter(|request| request.is_sent);
        sent.map(|request| request.append.command).collect()
    }

    /// Marks the accepted requests, which a lost connection may have written.
    pub(super) fn mark_sent(&mut self) {
        let accepted = self.requests.iter_mut().filter(|it| it.is_written());
        for request in accepted {
            request.is_sent = true;
            request.was_sent = true;
            request.may_be_recorded = true;
        }
    }

    /// Answers the requests that were written or recorded before, and takes them out.
    pub(super) fn answer_recorded(&mut self) {
        for request in self.requests.extract_if(.., |it| it.is_recorded()) {
            match request.disposition {
                Disposition::Write(appended) => request.answer(Ok(appended)),
                Disposition::Replay(stored) => request.answer_stored(stored),
                Disposition::Refuse(_) | Disposition::Later | Disposition::Wait => {}
            }
        }
    }

    /// Answers the refused requests, and takes them out. A command that was recorded before gets the
    /// result of its first append in place of the refusal: the events in its way may be its own (I6).
    pub(super) fn answer_refused(&mut self, processed: &HashMap<CommandId, StoredCommand>) {
        for mut request in self.requests.extract_if(.., |it| it.is_refused()) {
            let disposition = std::mem::replace(&mut request.disposition, Disposition::Later);
            match (processed.get(&request.append.command), disposition) {
                (Some(stored), _) => request.answer_stored(*stored),
                (None, Disposition::Refuse(refusal)) => request.answer(Err(refusal)),
                (None, _) => {}
            }
        }
    }

    /// Answers the requests whose commands are recorded, and takes them out.
    pub(super) fn answer_stored(&mut self, processed: &HashMap<CommandId, StoredCommand>) {
        let recorded = self
            .requests
            .extract_if(.., |it| processed.contains_key(&it.append.command));
        for request in recorded {
            if let Some(stored) = processed.get(&request.append.command) {
                request.answer_stored(*stored);
            }
        }
    }

    /// Fails the requests that meet the condition, and takes them out.
    pub(super) fn fail_if(&mut self, is_failed: impl Fn(&Request) -> bool, fault: &Fault) {
        let error = AppendError::from(fault.clone());
        for mut request in self.requests.extract_if(.., |it| is_failed(it)) {
            match request.failure.take() {
                Some(failure) => request.answer(Err(failure)),
                None => request.fail(&error),
            }
        }
    }

    /// Fails all requests.
    pub(super) fn fail(mut self, fault: &Fault) {
        self.fail_if(|_| true, fault);
    }

    /// Prepares the statements of handlers on this session. One that cannot be prepared fails its own
    /// request.
    pub(super) async fn bind_statements(&mut self, session: &LogSession) -> Result<(), Fault> {
        for request in &mut self.requests {
            request.statements.clear();
            request.failure = None;
            request.blocked = None;
            let Some(writes) = &request.append.writes else {
                continue;
            };
            let bound = match writes.get::<SqlWrites>() {
                Some(writes) => session.bind(writes).await?,
                None => Err(AppendError::Invalid {
                    reason: "its statements are for another store".to_owned(),
                }),
            };
            match bound {
                Ok(statements) => request.statements = statements,
                Err(failure) => request.failure = Some(failure),
            }
        }
        Ok(())
    }

    /// Whether statements are to be executed with the accepted requests.
    pub(super) fn has_statements(&self) -> bool {
        self.requests.iter().any(Request::has_statements)
    }

    /// The `lock_timeout` of its statements.
    pub(super) fn lock_timeout(&self) -> &'static str {
        // After a wait, the lock was free a moment ago.
        let have_waited = self.requests.iter().all(|it| it.times_blocked > 0);
        if self.is_lock_known && !have_waited {
            SHORT_LOCK_TIMEOUT
        } else {
            LOCK_TIMEOUT
        }
    }

    /// Marks the request whose statement failed. Returns the fault of the batch.
    pub(super) fn mark_failed(&mut self, failed: FailedStatement) -> Fault {
        let request = &mut self.requests[failed.place];
        request.failure = Some(failed.error);
        let kind = if failed.is_contention {
            request.mark_blocked(BlockedAt::Statement(failed.number));
            Kind::Blocked
        } else {
            Kind::Statement
        };
        Fault::new(kind, failed.reason)
    }

    /// Whether it is a request that met a lock of another transaction, and has to wait for it.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(&self.requests[..], [request] if request.blocked.is_some())
    }

    /// Splits it around the request that met a lock, so that the others need not wait with it.
    pub(super) fn around_blocked(mut self, fault: &Fault) -> Vec<Self> {
        // A deferred constraint met it, in the commit.
        if let [request] = &mut self.requests[..]
            && request.blocked.is_none()
        {
            request.failure = Some(AppendError::from(fault.clone()));
            request.mark_blocked(BlockedAt::Commit);
        }
        self.around_failed()
    }

    /// Splits it around the request whose statement failed, which is tried by itself: its statement may
    /// have failed because of another one of the batch. Alone, it fails for good (I11).
    pub(super) fn around_failed(mut self) -> Vec<Self> {
        // A deferred constraint names no request, so the batch is halved.
        let Some(place) = self.requests.iter().position(|it| it.failure.is_some()) else {
            return self.halves();
        };
        let after = self.requests.split_off(place + 1);
        let failed = self.requests.split_off(place);
        [self.requests, failed, after].map(Self::new).into()
    }

    /// Splits it into halves, each with attempts of its own.
    pub(super) fn halves(mut self) -> Vec<Self> {
        let after = self.requests.split_off(self.requests.len() / 2);
        vec![Self::new(self.requests), Self::new(after)]
    }
}
