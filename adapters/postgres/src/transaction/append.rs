use cqrs_core::store::{
    Append, AppendError, Appended, Boundary, Incarnation, StateKey, StoreError, StoredCommand,
};
use cqrs_core::{CommandId, Position};
use cqrs_kit::decider::{ConflictWindow, Decider};
use cqrs_kit::prepared::Prepared;
use futures_util::future::join;
use uuid::Uuid;

use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::row::{self, Head};
use crate::store::Shared;
use crate::write::decide::refusal;
use crate::write::log_session::LogSession;
use crate::write::reconnect_backoff::ReconnectBackoff;
use crate::write::rows::{AppendStatement, BatchRows, KnownBlocks};

/// Maximum number of events that are read while the head is locked and other appends wait.
const MAX_LOCKED_TAIL: usize = 1024;

/// The result of an append in a transaction.
enum AppendOutcome {
    Done(Appended),
    Refused(AppendError),
    /// The command was recorded before.
    Duplicate(Fault),
    /// The connection was lost, so the commit may have happened.
    Unknown(Fault),
}

/// Appends in the open transaction of a handler, and ends the transaction. The append is not part of a
/// batch of the writing task, which would have to wait for the handler. The lock of the head puts it
/// between two batches (decision 0010).
///
/// The events, the command's id and the rows of the handler commit together or not at all (I1). If the
/// process ends before `COMMIT`, the server rolls back; if it ends afterwards, the command id tells.
pub(crate) async fn append_in(
    client: &Connection,
    shared: &Shared,
    append: Append,
) -> Result<Appended, AppendError> {
    let id = append.command;
    // The id is recorded even if it was assigned: the writing task learns of an append here after the
    // fact only, so a given id and the same id as an assigned one must exclude each other in a table.
    let mut append = Prepared::new(append)?;
    append.is_recorded = true;
    match attempt(client, shared, &mut append).await {
        Ok(AppendOutcome::Done(appended)) => {
            let incarnation = client.incarnation();
            shared
                .log
                .on_appended(incarnation, appended.last, append.take_events());
            Ok(appended)
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
        Ok(AppendOutcome::Unknown(fault)) => match resolve_append(shared, id, &fault).await? {
            Some(stored) => append.replay(stored),
            None => Err(fault.into()),
        },
        Err(fault) => {
            // If the rollback fails, the transaction ends with its connection. Nothing is kept.
            let _ = client.batch_execute("ROLLBACK").await;
            // The database aborted this transaction in favor of another. A conflict makes the handler
            // decide again, on the state that the other one left.
            if fault.kind() == Kind::Contention {
                let at = shared.log.heads().position();
                return Err(AppendError::Conflict { at });
            }
            Err(fault.into())
        }
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
    // Before the lock, since preparing takes a round trip, for which others would wait.
    let kind = AppendStatement::All;
    let statement = session.append_statement(kind).await?;
    // The permit before the lock. The reverse order could deadlock: the holder of the lock would wait
    // for the permit, and the holder of the permit for the lock.
    let mut permit = shared.head_locks.acquire(client, &shared.log).await;
    let locked = session.lock_head().await?;
    if let Some(permit) = &mut permit {
        permit.on_locked();
    }
    if locked.try_get::<_, Option<String>>(5)?.as_deref() != Some("open") {
        return Ok(AppendOutcome::Refused(AppendError::Transaction {
            reason: "the handler ended it: leave out `COMMIT` and `ROLLBACK`".into(),
        }));
    }
    let head = row::head(&locked)?;
    if head.store != shared.log.store() {
        // The log was replaced while this connection was open. Nothing may be written to the new one.
        session.recognize(&shared.log).await?;
        client.give_up();
        let head = head.position;
        let rewound = StoreError::Rewound { head, seen: head };
        return Ok(AppendOutcome::Refused(rewound.into()));
    }
    // Without a permit there is no window, and every boundary is looked up.
    let mut none = ConflictWindow::new(head.position, 0);
    let window = permit.as_deref_mut().unwrap_or(&mut none);
    session
        .follow(window, head.position, MAX_LOCKED_TAIL)
        .await?;
    // The record of an assigned id may be in the events, where no insert finds it.
    let is_uncertain = append.has_given_id && append.command.is_assigned();
    if is_uncertain && !session.commands(vec![append.command]).await?.is_empty() {
        let command = append.command;
        let mismatch = AppendError::CommandMismatch { command };
        return Ok(AppendOutcome::Refused(mismatch));
    }
    if let Some(refusal) = find_refusal(&session, append, &head, window).await? {
        return Ok(AppendOutcome::Refused(refusal));
    }
    let appended = append.place(head.position, head.time)?;
    let mut rows = BatchRows::new(&head, Uuid::new_v4());
    rows.add(append, &appended);
    // Both are sent at once, which saves a round trip under the lock. The lock keeps the head as it
    // was read, so the statement either writes or fails. If it fails, `COMMIT` rolls back.
    let blocks = rows.new_blocks(&KnownBlocks::default());
    let written = rows.write(client, (kind, &statement), &blocks, &head);
    let committed = client.batch_execute("COMMIT");
    let (written, committed) = join(written, committed).await;
    let outcome = outcome(written, committed.map_err(Fault::from), appended)?;
    match &outcome {
        AppendOutcome::Done(_) => append.add_to(window),
        // The server that answers next may lack events that this one had.
        AppendOutcome::Unknown(_) => window.reset(Position::START),
        AppendOutcome::Refused(_) | AppendOutcome::Duplicate(_) => {}
    }
    Ok(outcome)
}

/// The result of the statement and the commit, which were sent together.
fn outcome(
    written: Result<i64, Fault>,
    committed: Result<(), Fault>,
    appended: Appended,
) -> Result<AppendOutcome, Fault> {
    match (written, committed) {
        (Ok(_), Ok(())) => Ok(AppendOutcome::Done(appended)),
        (Err(fault), _) if fault.kind() == Kind::Duplicate => Ok(AppendOutcome::Duplicate(fault)),
        (Err(fault), _) | (Ok(_), Err(fault)) if fault.kind() == Kind::Lost => {
            Ok(AppendOutcome::Unknown(fault))
        }
        (Err(fault), _) => Err(fault),
        (Ok(_), Err(fault)) if fault.kind() == Kind::Contention => Err(fault),
        // Deferred constraints of the handler's tables.
        (Ok(_), Err(fault)) => Ok(AppendOutcome::Refused(AppendError::Transaction {
            reason: fault.reason(),
        })),
    }
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
/// which may have begun before the command was recorded.
async fn processed(
    client: &Connection,
    shared: &Shared,
    id: CommandId,
) -> Result<Option<StoredCommand>, Fault> {
    client.batch_execute("ROLLBACK").await?;
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

/// Looks for the command on a new connection. The fence waits for the transaction in doubt, which holds
/// the lock of the head, so the lookup after it is final.
async fn look_up(shared: &Shared, id: CommandId) -> Result<Option<StoredCommand>, Fault> {
    let session = LogSession::open(&shared.link, shared.sql.clone()).await?;
    let mut found = session.fence_and_lookup(vec![id]).await?;
    Ok(found.remove(&id))
}

fn of<'c>(client: &'c Connection, shared: &Shared) -> LogSession<&'c Connection> {
    LogSession::new(client, shared.sql.clone())
}
