use std::sync::Arc;

use super::Progress;
use crate::store::{
    Incarnation, Position, Store, StoreError, ViewBatch, ViewChange, ViewCommitError,
};

/// The checkpoint of a subscription, as its worker last read or wrote it.
pub(crate) struct Checkpoint {
    pub(super) store: Arc<dyn Store>,
    pub(super) subscription: String,
    pub(super) position: Option<Position>,
    /// The log that it is a position of.
    incarnation: Incarnation,
    progress: Progress,
}

impl Checkpoint {
    /// Reads it.
    pub(super) async fn read(
        store: Arc<dyn Store>,
        subscription: String,
        progress: Progress,
    ) -> Result<Self, StoreError> {
        // Before the position: one that was read in a later incarnation is then refused.
        let incarnation = store.heads().incarnation();
        let position = store.checkpoint(&subscription).await?;
        Ok(Self {
            store,
            subscription,
            position,
            incarnation,
            progress,
        })
    }

    /// Writes it together with changes of views, unless another process has moved it.
    pub(crate) async fn commit(
        &mut self,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<(), ViewCommitError> {
        self.store.commit(self.batch(to, changes)).await?;
        self.committed(to);
        Ok(())
    }

    /// It was written, perhaps in a transaction.
    pub(super) fn committed(&mut self, to: Position) {
        self.position = Some(to);
        self.progress.mark_started(to);
    }

    pub(super) fn batch(&self, to: Position, changes: Vec<ViewChange>) -> ViewBatch {
        ViewBatch {
            subscription: self.subscription.clone(),
            from: self.position,
            to,
            incarnation: self.incarnation,
            changes,
        }
    }
}
