use std::sync::Arc;

use tracing::Span;

use super::view_folds::{Check, FoldedEvents, ViewFolds};
use super::{Checkpoint, EventPage, Follower, Handled, Interrupted, Phase};
use crate::error::{Error, Result};
use crate::handler::{Reply, Setup, SetupScope, TxSlot};
use crate::store::{BoxFuture, Position, Recorded, Store, ViewBatch, ViewCommitError};
use crate::trace;
use crate::wiring::BuildError;

/// A projection that writes with SQL: folds a page in a transaction, which the checkpoint commits.
pub(super) struct SqlProjection {
    pub(super) subscription: String,
    pub(super) folds: ViewFolds,
}

impl Follower for SqlProjection {
    fn ends(&self, phase: Phase, at: Position) -> bool {
        phase.is_finished(at)
    }

    fn restart(&self) {
        self.folds.reset();
    }

    fn span(&self, events: &[Arc<Recorded>]) -> Span {
        trace::project(&self.subscription, events)
    }

    fn handle<'a>(
        &'a self,
        page: EventPage<'a>,
        checkpoint: &'a mut Checkpoint,
    ) -> BoxFuture<'a, Result<Handled, Interrupted>> {
        Box::pin(self.fold_in_transaction(page, checkpoint))
    }
}

impl SqlProjection {
    /// Folds a page in one transaction, or in several if its views are too large to be in memory
    /// together. When an event fails, what the ones before it wrote is undone with the rest, so they
    /// are folded once more without it.
    async fn fold_in_transaction(
        &self,
        mut page: EventPage<'_>,
        checkpoint: &mut Checkpoint,
    ) -> Result<Handled, Interrupted> {
        let folds = &self.folds;
        let mut events = page.events;
        let mut handled = page.handled(None);
        let mut check = Check::Page;
        while !events.is_empty() {
            let mut tx = checkpoint.store.begin_transaction().await?;
            if tx.checkpoint(self.subscription.clone()).await? != checkpoint.position {
                return Err(Interrupted::Moved);
            }
            let slot = TxSlot::new(tx);
            let FoldedEvents { count, failed } = folds.fold_all(events, Some(&slot), check).await;
            let Some(tx) = slot.into_inner() else {
                let error = "an `#[on]` method did not give its transaction back";
                return Err(Interrupted::Failed(error.to_owned()));
            };
            if tx.is_overtaken() {
                return Err(Interrupted::Moved);
            }
            if let Some(failed) = failed {
                folds.reset();
                events = &events[..failed.place];
                handled = page.handled(Some(failed));
                continue;
            }
            let changes = match folds.changes() {
                Ok(changes) => changes,
                Err(_) if check == Check::Page => {
                    folds.reset();
                    check = Check::EachEvent;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            page = page.after(count);
            events = &events[count..];
            let to = if events.is_empty() {
                handled.to
            } else {
                page.from
            };
            tx.commit(checkpoint.batch(to, changes)).await?;
            checkpoint.committed(to);
            folds.committed();
        }
        Ok(handled)
    }
}

/// Runs the `#[setup]` of a projection that has no checkpoint, and gives it one, in one
/// transaction.
pub(super) async fn set_up(
    setup: &Setup,
    projection: &'static str,
    subscription: &str,
    store: &dyn Store,
) -> Result<(), BuildError> {
    if store.checkpoint(subscription).await?.is_some() {
        return Ok(());
    }
    let mut tx = store.begin_transaction().await?;
    if tx.checkpoint(subscription.to_owned()).await?.is_some() {
        // Another process was first.
        return Ok(());
    }
    let slot = TxSlot::new(tx);
    let failed = |error: Error| BuildError::Setup {
        projection,
        source: error.into(),
    };
    run(setup, &slot).await.map_err(failed)?;
    let batch = ViewBatch {
        subscription: subscription.to_owned(),
        from: None,
        to: Position::START,
        incarnation: store.incarnation(),
        changes: Vec::new(),
    };
    let tx = slot.into_inner();
    let tx = tx.ok_or_else(|| failed(Error::message("it did not give its transaction back")))?;
    match tx.commit(batch).await {
        Ok(()) | Err(ViewCommitError::Moved { .. }) => Ok(()),
        Err(ViewCommitError::Failed(error)) => Err(error.into()),
    }
}

async fn run(setup: &Setup, tx: &TxSlot) -> Result<()> {
    let scope = SetupScope { tx };
    let done = Reply::guarded(|| (setup.run)(&scope)).await;
    done.map_err(Error::panicked)?
}
