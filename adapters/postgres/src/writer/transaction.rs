use std::borrow::Borrow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use cqrs_core::CommandId;
use cqrs_core::store::{Append, AppendError, Appended, StateKey, StoredCommand, Window};
use deadpool_postgres::Object;
use futures_util::future::{join, try_join};
use tokio::time::sleep;
use tokio_postgres::Client;

use super::columns::Columns;
use super::decide::Known;
use super::request::{Request, Verdict};
use super::session::Session;
use crate::fault::{Fault, Kind};
use crate::row::{self, Head};
use crate::sql::PLANNED_LOCALLY;
use crate::store::Shared;

/// A pooled connection with a handler's transaction open.
#[derive(Clone, Copy)]
pub(super) struct Pooled<'c>(pub(super) &'c Object);

impl Borrow<Client> for Pooled<'_> {
    fn borrow(&self) -> &Client {
        self.0
    }
}

/// How it ended to append in a transaction.
enum Outcome {
    Done(Appended),
    Refused(AppendError),
    /// The command is there already.
    Duplicate(Fault),
    /// What was sent may have happened.
    Unknown(Fault),
}

/// Appends in the transaction that is open on this connection, and ends it. Beside the batches
/// of the writing task, under the lock of the log's head: what a handler does between two
/// statements takes as long as it takes, and no batch could wait for it.
pub(crate) async fn append_in(
    client: &Object,
    shared: &Shared,
    append: Append,
) -> Result<Appended, AppendError> {
    let (id, fingerprint) = (append.command, append.fingerprint);
    let (mut request, _) = Request::new(append)?;
    let replay = |stored: StoredCommand| stored.replay(id, fingerprint);
    match attempt(client, shared, &mut request).await {
        Ok(Outcome::Done(appended)) => {
            shared.heads.wrote(appended.last);
            Ok(appended)
        }
        Ok(Outcome::Refused(refusal)) => match processed(client, shared, id).await {
            Ok(Some(stored)) => replay(stored),
            Ok(None) => Err(refusal),
            Err(fault) => Err(fault.into()),
        },
        Ok(Outcome::Duplicate(fault)) => match processed(client, shared, id).await {
            Ok(Some(stored)) => replay(stored),
            Ok(None) | Err(_) => Err(fault.into()),
        },
        Ok(Outcome::Unknown(fault)) => match settle(shared, id, &fault).await? {
            Some(stored) => replay(stored),
            None => Err(fault.into()),
        },
        Err(fault) => {
            // Of the transaction nothing is left to find out, even if this fails.
            let _ = client.batch_execute("ROLLBACK").await;
            if fault.kind() == Kind::Contention {
                let at = *shared.heads.known.borrow();
                return Err(AppendError::Conflict { at });
            }
            Err(fault.into())
        }
    }
}

async fn attempt(
    client: &Object,
    shared: &Shared,
    request: &mut Request,
) -> Result<Outcome, Fault> {
    // In one round trip. The handler's own statements were planned as PostgreSQL sees fit.
    let planned = async { Ok(client.batch_execute(PLANNED_LOCALLY).await?) };
    let lock = client.prepare_cached(&shared.sql.lock_head).await?;
    let locked = async { Ok::<_, Fault>(client.query_one(&lock, &[]).await?) };
    let ((), locked) = try_join(planned, locked).await?;
    if locked.try_get::<_, Option<String>>(4)?.as_deref() != Some("open") {
        return Ok(Outcome::Refused(AppendError::Transaction {
            reason: "the handler ended it: leave `COMMIT` and `ROLLBACK` out".into(),
        }));
    }
    let head = row::head(&locked)?;
    let session = Session::of(Pooled(client), shared.sql.clone()).await?;
    if let Some(refusal) = refusal(&session, request, &head).await? {
        return Ok(Outcome::Refused(refusal));
    }
    let appended = request.appended(head.position);
    let first = appended.last.get() - appended.count;
    for (place, (event, _)) in (1..).zip(&mut request.events) {
        event.position = cqrs_core::Position::new(first + place);
    }
    request.verdict = Verdict::Write(appended);
    let columns = Columns::new(std::slice::from_ref(request), &head);
    // Under the lock the head is the one that was read, so the statement writes, or fails; then
    // the commit undoes everything.
    let written = session.append(&columns, &head);
    let committed = client.batch_execute("COMMIT");
    let (written, committed) = join(written, committed).await;
    match (written, committed.map_err(Fault::from)) {
        (Ok(_), Ok(())) => Ok(Outcome::Done(appended)),
        (Err(fault), _) if fault.kind() == Kind::Duplicate => Ok(Outcome::Duplicate(fault)),
        (Err(fault), _) | (Ok(_), Err(fault)) if fault.kind() == Kind::Lost => {
            Ok(Outcome::Unknown(fault))
        }
        (Err(fault), _) => Err(fault),
        // Constraints that the handler's tables check at the end.
        (Ok(_), Err(fault)) => Ok(Outcome::Refused(AppendError::Transaction {
            reason: fault.reason(),
        })),
    }
}

async fn refusal(
    session: &Session<Pooled<'_>>,
    request: &Request,
    head: &Head,
) -> Result<Option<AppendError>, Fault> {
    let keys: Vec<&StateKey> = request.states.iter().map(|state| &state.key).collect();
    let states = if keys.is_empty() {
        HashMap::new()
    } else {
        session.state_positions(&keys).await?
    };
    let known = Known {
        head: head.position,
        window: &Window::new(head.position, 0),
    };
    known.refusal(session, request, &states).await
}

/// What is recorded of the command, as of now, after everything here is undone.
async fn processed(
    client: &Object,
    shared: &Shared,
    id: CommandId,
) -> Result<Option<StoredCommand>, Fault> {
    client.batch_execute("ROLLBACK").await?;
    let session = Session::of(Pooled(client), shared.sql.clone()).await?;
    Ok(session.commands(vec![id.as_uuid()]).await?.remove(&id))
}

/// Finds out on another connection whether a transaction was committed that got no answer. Waits
/// for the database as long as an append does.
async fn settle(
    shared: &Shared,
    id: CommandId,
    lost: &Fault,
) -> Result<Option<StoredCommand>, AppendError> {
    let look = async || {
        let session = Session::open(&shared.link, shared.sql.clone()).await?;
        // Waits for the transaction that is in doubt, which has the lock.
        session.shut_out_earlier().await?;
        Ok::<_, Fault>(session.commands(vec![id.as_uuid()]).await?.remove(&id))
    };
    let deadline = Instant::now() + shared.patience;
    let mut pause = Duration::from_millis(20);
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(fault) if fault.kind() != Kind::Lost || Instant::now() + pause > deadline => {
                return Err(AppendError::Indeterminate {
                    reason: lost.reason(),
                });
            }
            Err(_) => sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
