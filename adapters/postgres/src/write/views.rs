use cqrs_core::Position;
use cqrs_core::store::{ViewBatch, ViewChange, ViewCommitError};
use cqrs_kit::view_changes::{ModelChanges, by_model};

use super::view_commit::{CommitStatement, Durability};
use super::view_copy::{ModelWrite, ViewCopy};
use super::{checkpoint, parking};
use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::schema::Schema;
use crate::sql::Sql;
use crate::store::Shared;
use crate::transaction::pooled::PooledTransaction;

/// Maximum number of attempts to commit when other transactions cause a deadlock or a failed
/// serialization.
const MAX_ATTEMPTS: usize = 5;

/// The result of an attempt to commit.
enum CommitOutcome {
    Done,
    /// The checkpoint is not where the batch begins. Nothing was written.
    Moved(Option<Position>),
    /// The commit was not answered, so it may have happened.
    Unknown(Fault),
}

/// Whether the checkpoint was at the start of the batch.
enum Fence {
    Passed,
    /// It is at this position, or does not exist.
    Moved(Option<Position>),
}

/// Writes the changes and moves the checkpoint in one transaction, so that each event is folded into
/// the views exactly once, whichever process crashes.
pub(crate) async fn commit(shared: &Shared, mut batch: ViewBatch) -> Result<(), ViewCommitError> {
    if batch.shard.subscription.contains('\0') {
        let reason = "PostgreSQL cannot store U+0000 in the name of a subscription";
        return Err(Fault::data(reason).into());
    }
    let mut changes =
        by_model(&shared.schema, std::mem::take(&mut batch.changes)).map_err(Fault::from)?;
    let mut tries = 1;
    let outcome = loop {
        match attempt(shared, &batch, &changes).await {
            // Nothing was written, so retrying is safe.
            Err(fault) if fault.kind() == Kind::Contention && tries < MAX_ATTEMPTS => tries += 1,
            // A view that was to be new is there: somebody else has written to the table.
            Err(fault) if fault.kind() == Kind::Duplicate && tries < MAX_ATTEMPTS => {
                tries += 1;
                changes.iter_mut().for_each(expect_nothing);
            }
            outcome => break outcome?,
        }
    };
    match outcome {
        CommitOutcome::Done => Ok(()),
        CommitOutcome::Moved(found) => Err(ViewCommitError::Moved { found }),
        CommitOutcome::Unknown(fault) => resolve_batch(shared, &batch, fault).await,
    }
}

/// Lets each view be written whether or not there is one.
fn expect_nothing(model: &mut ModelChanges<Schema>) {
    for change in &mut model.changes {
        change.is_new = false;
    }
}

async fn attempt(
    shared: &Shared,
    batch: &ViewBatch,
    changes: &[ModelChanges<Schema>],
) -> Result<CommitOutcome, Fault> {
    // A replica is waited for up to the position that the primary has flushed. A checkpoint alone may
    // be that of a reaction, whose effects are not made again by folding, and neither are parked keys.
    let is_flushed = shared.read_link.is_some() || changes.is_empty() || !batch.parked.is_empty();
    let durability = if is_flushed {
        Durability::Flushed
    } else {
        Durability::Written
    };
    let writes: Vec<_> = changes.iter().map(ModelWrite::new).collect();
    let copies = ViewCopy::of(&writes)?;
    if !(copies.is_empty() && batch.parked.is_empty()) {
        return attempt_in_steps(shared, batch, &writes, copies, durability).await;
    }
    // The statement commits by itself. Sessions are read committed: after a wait for the
    // checkpoint's row, its new position is compared.
    let connection = shared.pool.get().await?;
    match write(&connection, &shared.sql, batch, &writes, durability).await {
        Ok(Fence::Passed) => Ok(CommitOutcome::Done),
        Ok(Fence::Moved(found)) => Ok(CommitOutcome::Moved(found)),
        Err(fault) if fault.kind() == Kind::Lost => Ok(CommitOutcome::Unknown(fault)),
        Err(fault) => Err(fault),
    }
}

/// Commits a batch that takes several statements: it changes parked keys, or has many new views.
async fn attempt_in_steps(
    shared: &Shared,
    batch: &ViewBatch,
    writes: &[ModelWrite<'_>],
    copies: Vec<ViewCopy>,
    durability: Durability,
) -> Result<CommitOutcome, Fault> {
    let client = shared.pool.get().await?;
    // Rolled back on drop.
    let transaction = PooledTransaction::new(client, PooledTransaction::READ_COMMITTED);
    let written = write(&transaction, &shared.sql, batch, writes, durability);
    if let Fence::Moved(found) = transaction.run(written).await? {
        return Ok(CommitOutcome::Moved(found));
    }
    // Not before the fence is passed: it holds the checkpoint's row until the end.
    for copy in copies {
        copy.send(&transaction).await?;
    }
    match transaction.commit().await.map_err(Fault::from) {
        Ok(()) => Ok(CommitOutcome::Done),
        Err(fault) if fault.kind() == Kind::Lost => Ok(CommitOutcome::Unknown(fault)),
        Err(fault) => Err(fault),
    }
}

/// Looks up the checkpoint after a commit without an answer. If the checkpoint is still at the start
/// of the batch, the fault is reported and the worker sends the batch again. Should the first commit
/// still be in progress, the second waits for it at the fence, and finds the checkpoint moved.
async fn resolve_batch(
    shared: &Shared,
    batch: &ViewBatch,
    fault: Fault,
) -> Result<(), ViewCommitError> {
    let Ok(client) = shared.pool.get().await else {
        return Err(fault.into());
    };
    match checkpoint::position(&client, &shared.sql, &batch.shard).await {
        // The checkpoint of another log proves nothing about this batch.
        Ok(found) if client.incarnations().views != batch.incarnation => {
            Err(ViewCommitError::Moved { found })
        }
        // A batch that ends where it begins is not visible in the checkpoint. It is sent again, too.
        Ok(found) if found == batch.from => Err(fault.into()),
        Ok(found) if found == Some(batch.to.position) => Ok(()),
        Ok(found) => Err(ViewCommitError::Moved { found }),
        Err(_) => Err(fault.into()),
    }
}

/// Commits a batch in the open transaction of a handler, and ends the transaction.
pub(crate) async fn commit_in(
    client: &Connection,
    shared: &Shared,
    mut batch: ViewBatch,
) -> Result<(), ViewCommitError> {
    let changes = std::mem::take(&mut batch.changes);
    match attempt_in(client, shared, &batch, changes).await {
        Ok(CommitOutcome::Done) => Ok(()),
        Ok(CommitOutcome::Unknown(fault)) => resolve_batch(shared, &batch, fault).await,
        Ok(CommitOutcome::Moved(found)) => {
            client
                .batch_execute("ROLLBACK")
                .await
                .map_err(Fault::from)?;
            Err(ViewCommitError::Moved { found })
        }
        Err(fault) => {
            // If the rollback fails, the transaction ends with its connection. Nothing is kept.
            let _ = client.batch_execute("ROLLBACK").await;
            Err(fault.into())
        }
    }
}

async fn attempt_in(
    client: &Connection,
    shared: &Shared,
    batch: &ViewBatch,
    changes: Vec<ViewChange>,
) -> Result<CommitOutcome, Fault> {
    let mut changes = by_model(&shared.schema, changes)?;
    // The transaction could not go on after the error.
    changes.iter_mut().for_each(expect_nothing);
    let writes: Vec<_> = changes.iter().map(ModelWrite::new).collect();
    if let Fence::Moved(found) =
        write(client, &shared.sql, batch, &writes, Durability::Flushed).await?
    {
        return Ok(CommitOutcome::Moved(found));
    }
    match client.batch_execute("COMMIT").await.map_err(Fault::from) {
        Ok(()) => Ok(CommitOutcome::Done),
        Err(fault) if fault.kind() == Kind::Lost => Ok(CommitOutcome::Unknown(fault)),
        Err(fault) => Err(fault),
    }
}

/// Moves the checkpoint and writes the changes but those that are copied, with one statement, after those
/// of parked keys.
async fn write(
    client: &Connection,
    sql: &Sql,
    batch: &ViewBatch,
    writes: &[ModelWrite<'_>],
    durability: Durability,
) -> Result<Fence, Fault> {
    let are_parked = batch.parked.is_empty() || parking::change(client, sql, batch).await?;
    if are_parked && client.incarnations().views == batch.incarnation {
        let commit = CommitStatement::new(sql, batch, writes, durability);
        // Batches that change other models have other texts, so there may be many of them.
        let statement = client.prepare_foreign(commit.sql()).await?;
        let row = client.query_one(&statement, &commit.params()).await?;
        if row.try_get::<_, i64>(0)? == 1 {
            return Ok(Fence::Passed);
        }
    }
    let found = checkpoint::position(client, sql, &batch.shard).await?;
    Ok(Fence::Moved(found))
}
