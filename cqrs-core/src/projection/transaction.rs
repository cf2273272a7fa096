//! Projections that write with SQL: what they write commits with the checkpoint, or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::fold::{Check, Folder};
use super::follow::{Checkpoint, Interrupted, Worked, Worker};
use crate::error::{Error, Result};
use crate::handler::{Folded, Setup, SetupScope, TxSlot};
use crate::panic::{Guarded, panic_message};
use crate::store::{Position, Recorded, Store, StoreError, ViewBatch, ViewCommitError};
use crate::wiring::BuildError;

impl Worker {
    /// Folds a page in one transaction. When an event fails, what the ones before it wrote is
    /// undone with the rest, so they are folded once more without it.
    pub(super) async fn fold_in_transaction(
        &self,
        folder: &Folder,
        from: Position,
        to: Position,
        mut events: &[Arc<Recorded>],
        checkpoint: &mut Checkpoint,
    ) -> Result<Worked, Interrupted> {
        let mut worked = Worked { to, failure: None };
        let mut check = Check::Page;
        while !events.is_empty() {
            let mut tx = self.store.begin_transaction().await?;
            if tx.checkpoint(self.subscription.clone()).await? != checkpoint.position {
                return Err(Interrupted::Moved);
            }
            let slot = TxSlot::new(tx);
            let failed = folder.fold_all(events, Some(&slot), check).await;
            let Some(tx) = slot.into_inner() else {
                let error = "an `#[on]` method did not give its transaction back";
                return Err(Interrupted::Failed(error.to_owned()));
            };
            if tx.is_overtaken() {
                return Err(Interrupted::Moved);
            }
            if let Some(failed) = failed {
                folder.reset();
                let place = failed.place;
                worked = Worked::after(from, to, events, Some(failed));
                events = &events[..place];
                continue;
            }
            let changes = match folder.changes() {
                Ok(changes) => changes,
                Err(_) if check == Check::Page => {
                    folder.reset();
                    check = Check::EachEvent;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let batch = ViewBatch {
                subscription: self.subscription.clone(),
                from: checkpoint.position,
                to: worked.to,
                incarnation: checkpoint.incarnation,
                changes,
            };
            tx.commit(batch).await?;
            checkpoint.position = Some(worked.to);
            folder.committed();
            break;
        }
        Ok(worked)
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
    let panicked = |message| Error::message(format!("it panicked: {message}"));
    match catch_unwind(AssertUnwindSafe(|| (setup.run)(&scope))) {
        Ok(Folded::Now(result)) => result,
        Ok(Folded::Later(future)) => Guarded(future).await.map_err(panicked)?,
        Err(panic) => Err(panicked(panic_message(&*panic))),
    }
}

impl From<Error> for Interrupted {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ViewCommitError> for Interrupted {
    fn from(error: ViewCommitError) -> Self {
        match error {
            ViewCommitError::Moved { .. } => Self::Moved,
            ViewCommitError::Failed(error) => error.into(),
        }
    }
}
