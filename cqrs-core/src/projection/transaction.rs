//! Projections that write with SQL: what they write commits with the checkpoint, or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::fold::Folder;
use super::follow::{Interrupted, Worked, Worker};
use crate::dispatcher::{Guarded, panic_message};
use crate::error::{Error, Result};
use crate::handler::{Folded, Setup, SetupScope, TxSlot};
use crate::store::{
    Incarnation, Position, Recorded, Store, StoreError, ViewBatch, ViewCommitError,
};
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
        checkpoint: &mut Option<Position>,
    ) -> Result<Worked, Interrupted> {
        let mut worked = Worked { to, failure: None };
        while !events.is_empty() {
            let mut tx = self.store.begin_transaction().await?;
            if tx.checkpoint(self.subscription.clone()).await? != *checkpoint {
                return Err(Interrupted::Moved);
            }
            let slot = TxSlot::new(tx);
            let failed = fold_all(folder, events, &slot).await;
            let Some(tx) = slot.into_inner().filter(|tx| !tx.is_overtaken()) else {
                return Err(Interrupted::Moved);
            };
            if let Some((place, failure)) = failed {
                folder.reset();
                events = &events[..place];
                worked = Worked {
                    to: events.last().map_or(from, |event| event.position),
                    failure: Some(failure),
                };
                continue;
            }
            let changes = folder.changes();
            let batch = ViewBatch {
                subscription: self.subscription.clone(),
                from: *checkpoint,
                to: worked.to,
                incarnation: Incarnation::default(),
                changes: changes.map_err(|error| Interrupted::Failed(error.to_string()))?,
            };
            tx.commit(batch).await?;
            *checkpoint = Some(worked.to);
            folder.committed();
            break;
        }
        Ok(worked)
    }
}

/// The place of the event that failed, and how.
async fn fold_all(
    folder: &Folder,
    events: &[Arc<Recorded>],
    tx: &TxSlot,
) -> Option<(usize, String)> {
    for (place, event) in events.iter().enumerate() {
        let (handler, result) = folder.fold(event, Some(tx)).await;
        if let Err(error) = result {
            return Some((place, super::follow::failure(event, handler, &error)));
        }
    }
    None
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
        incarnation: Incarnation::default(),
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
