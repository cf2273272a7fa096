use cqrs_core::store::{
    Append, AppendError, Appended, Boundary, Incarnation, StateKey, StoreError, StoredCommand,
};
use cqrs_core::{CommandId, Position};
use cqrs_kit::decider::{ConflictWindow, Decider};
use cqrs_kit::prepared::Prepared;
use futures_util::future::join;
use tokio::time::timeout;

use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::reconnect_backoff::ReconnectBackoff;
use crate::row::{self, Head};
use crate::store::Shared;
use crate::transaction::commit::{self, Commit};
use crate::transaction::head_lock::HeadLockPermit;
use crate::transaction::outcome::AppendOutcome;
use crate::transaction::pooled::PooledTransaction;
use crate::write::decide::refusal;
use crate::write::log_session::LogSession;

/// Maximum number of events that are read while the head is locked and other appends wait.
const MAX_LOCKED_TAIL: usize = 1024;

/// Appends in the open transaction of a handler, and ends the transaction. The append is not part of a
/// batch of the writing task, which would have to wait for the handler. The lock of the head puts it
/// between two batches (decision 0010).
///
/// The events, the command's id and the rows of the handler commit together or not at all (I1). If the
/// process ends before `COMMIT`, the server rolls back; if it ends afterwards, the command id tells.
pub(crate) async fn append_in(
    transaction: PooledTransaction,
    shared: &Shared,
    append: Append,
) -> Result<Appended, AppendError> {
    let client: &Connection = &transaction;
    let id = append.command;
    // The id is recorded even if it was assigned: the writing task learns of an append here after the
    // fact only, so a given id and the same id as an assigned one must exclude each other in a table.
    let mut append = Prepared::new(append)?;
    append.is_recorded = true;
    let answer = match attempt(client, shared, &mut append).await {
        Ok(AppendOutcome::Done(appended)) => {
            Ok(publish(client.incarnation(), shared, append, appended))
        }
        Ok(AppendOutcome::Committed(appended, committed)) => {
            let incarnation = client.incarnation();
            transaction.ended();
            return match committed.durable(transaction, &shared.transactions).await {
                Ok(()) => Ok(publish(incarnation, shared, append, appended)),
                Err(fault) => settle(shared, &append, &fault).await,
            };
        }
        Ok(AppendOutcome::Refused(refusal)) => match processed(client, shared, id).await {
            Ok(Some(stored)) => append.replay(stored),
            Ok(None) => Err(refusal),
            Err(fault) => Err(fault.into()),
        },
        Ok(AppendOutcome::Duplicate(fault)) => match processed(client, shared, id).await {
            Ok(Some(stored)) => append.replay(stored),
            Ok(None) | Err(_) => Err(fault.into()),
        },
        Ok(AppendOutcome::Unknown(fault)) => settle(shared, &append, &fault).await,
        Err(fault) => {
            // If the rollback fails, the transaction ends with its connection. Nothing is kept.
            let _ = client.batch_execute("ROLLBACK").await;
            // The database aborted this transaction in favor of another. A conflict makes the handler
            // decide again, on the state that the other one left.
            if fault.kind() == Kind::Contention {
                let at = shared.log.heads().position();
                Err(AppendError::Conflict { at })
            } else {
                Err(fault.into())
            }
        }
    };
    transaction.ended();
    answer
}

/// The append is durable.
fn publish(
    incarnation: Incarnation,
    shared: &Shared,
    mut append: Prepared,
    appended: Appended,
) -> Appended {
    let events = append.take_events();
    shared.log.on_appended(incarnation, appended.last, events);
    appended
}

/// The answer to an append of which nobody knows whether it was committed, or is durable.
async fn settle(
    shared: &Shared,
    append: &Prepared,
    fault: &Fault,
) -> Result<Appended, AppendError> {
    match resolve_append(shared, append.command, fault).await? {
        Some(stored) => append.replay(stored),
        None => Err(fault.clone().into()),
    }
}

async fn attempt(
    client: &Connection,
    shared: &Shared,
    append: &mut Prepared,
) -> Result<AppendOutcome, Fault> {
    if let Some(at) = conflict_below_window(client.incarnation(), shared, append).await? {
        return Ok(AppendOutcome::Refused(AppendError::Conflict { at }));
    }
    let session = of(client, shared);
    // Before the permit, since preparing takes round trips, for which others would wait.
    let statements = session.prepare_in_transaction(append).await?;
    let mut is_overtaken = false;
    loop {
        // The permit before the lock. The reverse order could deadlock: the holder of the lock would wait
        // for the permit, and the holder of the permit for the lock.
        let mut permit = shared.head_locks.acquire(client).await;
        let queued = permit.as_ref().filter(|_| !is_overtaken);
        let known = queued.and_then(|permit| known_head(&session, append, permit));
        let (head, is_locked) = match known {
            Some(head) => (head, false),
            None => match lock(&session, shared, append, permit.as_mut()).await? {
                Ok(head) => (head, true),
                Err(refusal) => return Ok(AppendOutcome::Refused(refusal)),
            },
        };
        let commit = Commit {
            session: &session,
            flushes: &shared.flushes,
            statements: &statements,
            head,
            is_locked,
        };
        if let Some(outcome) = commit.send(append, permit).await? {
            return Ok(outcome);
        }
        // Others wrote first, and the rows of the handler are still there. If the handler has ended the
        // transaction, this fails, and the lock finds that out.
        let _ = client.batch_execute(commit::RESUME).await;
        is_overtaken = true;
    }
}

/// The head that the last holder of the permit has set, if nobody else seems to write, and the append may be
/// written after it as far as memory can tell. Everything else is decided with the head locked.
fn known_head(
    session: &LogSession<&Connection>,
    append: &Prepared,
    permit: &HeadLockPermit<'_>,
) -> Option<Head> {
    let head = permit.known_head()?;
    let decider = Decider {
        incarnation: session.incarnation(),
        head: head.position,
        window: permit,
    };
    let open = decider.check(&append.boundaries, &append.states).ok()?;
    (open.is_empty() && !is_uncertain(append)).then_some(head)
}

/// The record of an assigned id may be in the events, where no insert finds it.
fn is_uncertain(append: &Prepared) -> bool {
    append.has_given_id && append.command.is_assigned()
}

/// Locks the head, and decides the append there.
async fn lock(
    session: &LogSession<&Connection>,
    shared: &Shared,
    append: &Prepared,
    mut permit: Option<&mut HeadLockPermit<'_>>,
) -> Result<Result<Head, AppendError>, Fault> {
    // Both are sent at once.
    let (set_up, locked) = join(session.set_up_transaction(), session.lock_head()).await;
    set_up?;
    let locked = locked?;
    if locked.try_get::<_, Option<String>>(5)?.as_deref() != Some("open") {
        return Ok(Err(AppendError::Transaction {
            reason: "the handler ended it: leave out `COMMIT` and `ROLLBACK`".into(),
        }));
    }
    let head = row::head(&locked)?;
    if head.store != shared.log.store() {
        // The log was replaced while this connection was open. Nothing may be written to the new one.
        session.recognize(&shared.log).await?;
        session.client().give_up();
        let head = head.position;
        let rewound = StoreError::Rewound { head, seen: head };
        return Ok(Err(rewound.into()));
    }
    if let Some(permit) = &mut permit {
        permit.on_locked(head);
    }
    // Without a permit there is no window, and every boundary is looked up.
    let mut none = ConflictWindow::new(head.position, 0);
    let window = permit.map_or(&mut none, |permit| &mut **permit);
    session
        .follow(window, head.position, MAX_LOCKED_TAIL)
        .await?;
    if is_uncertain(append) && !session.commands(vec![append.command]).await?.is_empty() {
        let command = append.command;
        return Ok(Err(AppendError::CommandMismatch { command }));
    }
    let refusal = find_refusal(session, append, &head, window).await?;
    Ok(refusal.map_or(Ok(head), Err))
}

/// Checks boundaries that begin before the window against the log as it is now, while the head is not
/// locked and no other append has to wait. Each boundary is moved up to the head of this check, so only
/// later events are left to be decided under the lock.
async fn conflict_below_window(
    current: Incarnation,
    shared: &Shared,
    append: &mut Prepared,
) -> Result<Option<Position>, Fault> {
    let floor = shared.head_locks.floor();
    // Boundaries of another incarnation will be refused, whatever the log has.
    let is_older = |boundary: &Boundary| boundary.after < floor && boundary.incarnation == current;
    if !append.boundaries.iter().any(is_older) {
        return Ok(None);
    }
    let client = shared.pool.get().await?;
    // This connection leads to another log than the transaction, which will find out under the lock.
    if client.incarnation() != current {
        return Ok(None);
    }
    let session = of(&client, shared);
    let head = session.head().await?.0.position;
    for boundary in &mut append.boundaries {
        if !is_older(boundary) {
            continue;
        }
        let found = session.first_match(&boundary.fail_if, boundary.after, head);
        if let Some(at) = found.await? {
            return Ok(Some(at));
        }
        boundary.after = boundary.after.max(head);
    }
    Ok(None)
}

async fn find_refusal(
    session: &LogSession<&Connection>,
    append: &Prepared,
    head: &Head,
    window: &ConflictWindow,
) -> Result<Option<AppendError>, Fault> {
    let keys: Vec<&StateKey> = append.states.iter().map(|state| &state.key).collect();
    let states = session.state_positions(&keys).await?;
    let decider = Decider {
        incarnation: session.incarnation(),
        head: head.position,
        window,
    };
    refusal(decider, session, append, &states).await
}

/// Rolls back, and looks up the command in the log as it is now: not in the snapshot of the transaction,
/// which may have begun before the command was recorded. A refusal is final: what it is based on is durable
/// then (I7).
async fn processed(
    client: &Connection,
    shared: &Shared,
    id: CommandId,
) -> Result<Option<StoredCommand>, Fault> {
    let (ended, flushed) = join(client.batch_execute("ROLLBACK"), client.flush()).await;
    ended?;
    flushed?;
    Ok(of(client, shared).commands(vec![id]).await?.remove(&id))
}

/// Finds out on another connection whether a transaction without an answer was committed. Retries for as
/// long as an append waits for an unreachable database.
async fn resolve_append(
    shared: &Shared,
    id: CommandId,
    lost: &Fault,
) -> Result<Option<StoredCommand>, AppendError> {
    let mut backoff = ReconnectBackoff::new(shared.retry_timeout);
    loop {
        let fault = match look_up(shared, id).await {
            Ok(found) => return Ok(found),
            Err(fault) => fault,
        };
        if fault.kind() != Kind::Lost || !backoff.pause().await {
            return Err(AppendError::Indeterminate {
                reason: lost.reason(),
            });
        }
    }
}

/// Looks for the command on a new connection, of which a process has one at a time. The fence waits for the
/// transaction in doubt, which holds the lock of the head, so the lookup after it is final.
async fn look_up(shared: &Shared, id: CommandId) -> Result<Option<StoredCommand>, Fault> {
    let Ok(_permit) = timeout(shared.retry_timeout, shared.lookups.acquire()).await else {
        let busy = "other commands are being looked up: the server answers too slowly";
        return Err(Fault::new(Kind::Lost, busy));
    };
    let session = LogSession::open(&shared.link, shared.sql.clone()).await?;
    let mut found = session.fence_and_lookup(vec![id]).await?;
    Ok(found.remove(&id))
}

fn of<'c>(client: &'c Connection, shared: &Shared) -> LogSession<&'c Connection> {
    LogSession::new(client, shared.sql.clone())
}
