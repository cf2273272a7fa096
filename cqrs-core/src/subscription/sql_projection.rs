use super::checkpoint::WrittenBatch;
use super::crew::has_checkpoint;
use super::view_folds::{Check, FoldedEvents, ViewFolds};
use super::{HeldCheckpoint, Interruption, PageOutcome, SubscriptionPage};
use crate::error::{Error, Result};
use crate::handler::{Reply, Setup, SetupScope, TxSlot};
use crate::store::{Epoch, ErasedViewTx, Position, Shard, ViewBatch, ViewCommitError, ViewStore};
use crate::wiring::BuildError;

/// Folds a page in one transaction, which commits with the checkpoint, or in several if its views
/// are too large to be in memory together. If an event fails, the transaction is rolled back with
/// the writes of the events before it, and these are folded again without it.
pub(super) async fn fold_page(
    folds: &ViewFolds,
    mut page: SubscriptionPage<'_>,
    checkpoint: &mut HeldCheckpoint,
) -> Result<PageOutcome, Interruption> {
    let mut events = page.events;
    let mut outcome = page.outcome(None);
    let mut check = Check::Page;
    while !events.is_empty() {
        let mut tx = checkpoint.views.begin_commit().await?;
        // Read in the transaction, which holds the checkpoint from here on. If another worker has
        // moved it, the folds would write rows for events that are already counted.
        if tx.checkpoint(checkpoint.shard.clone()).await? != checkpoint.position {
            return Err(Interruption::CheckpointMoved);
        }
        let slot = TxSlot::new(tx);
        let FoldedEvents { count, failed } = folds.fold_all(events, Some(&slot), check).await;
        let Some(tx) = slot.into_inner() else {
            let error = "an `#[on]` method did not return its transaction";
            return Err(Interruption::Failed(error.to_owned()));
        };
        if tx.should_retry() {
            return Err(Interruption::CheckpointMoved);
        }
        // The views in memory have changes of this transaction, which is dropped and rolled back.
        if let Some(failed) = failed {
            folds.reset();
            events = &events[..failed.place];
            outcome = page.outcome(Some(failed));
            continue;
        }
        let changes = match folds.changes() {
            Ok(changes) => changes,
            // Some view cannot be written. The next round finds the event that made it.
            Err(_) if check == Check::Page => {
                folds.reset();
                check = Check::EachEvent;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let rest = page.after(count);
        events = &events[count..];
        // Beyond the last event only if nothing is left to fold.
        let to = if events.is_empty() {
            outcome.to
        } else {
            rest.from
        };
        let batch = checkpoint.batch(page, to, changes)?;
        let written = WrittenBatch::of(&batch);
        tx.commit(batch).await?;
        checkpoint.committed(written);
        folds.committed();
        page = rest;
    }
    Ok(outcome)
}

/// Runs the `#[setup]` of a projection without a checkpoint, and writes its first checkpoint in the
/// same transaction.
pub(super) async fn set_up(
    setup: &Setup,
    projection: &'static str,
    shard: Shard,
    views: &dyn ViewStore,
) -> Result<(), BuildError> {
    if has_checkpoint(views, &shard.subscription).await? {
        return Ok(());
    }
    let mut tx = views.begin_commit().await?;
    // Another process may have run it in the meantime, and divided the projection.
    let found = tx.checkpoint(shard.clone()).await?;
    if found.is_some() || has_checkpoint(views, &shard.subscription).await? {
        return Ok(());
    }
    let slot = TxSlot::new(tx);
    let failed = |error: Error| BuildError::Setup {
        projection,
        source: error.into(),
    };
    run(setup, &slot).await.map_err(failed)?;
    let batch = ViewBatch {
        shard,
        epoch: Epoch::UNCLAIMED,
        from: None,
        to: Position::START.into(),
        incarnation: views.view_incarnation(),
        changes: Vec::new(),
        parked: Vec::new(),
    };
    let tx = slot
        .into_inner()
        .ok_or_else(|| failed(Error::message("it did not return its transaction")))?;
    match tx.commit(batch).await {
        Ok(()) | Err(ViewCommitError::Moved { .. }) => Ok(()),
        Err(ViewCommitError::Failed(error)) => Err(error.into()),
    }
}

async fn run(setup: &Setup, tx: &TxSlot<dyn ErasedViewTx>) -> Result<()> {
    let scope = SetupScope { tx };
    let done = Reply::guarded(|| (setup.run)(&scope)).await;
    done.map_err(Error::panicked)?
}
