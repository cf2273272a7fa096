use std::sync::Arc;

use super::Progress;
use crate::store::{
    EventLog, Incarnation, Position, StoreError, ViewBatch, ViewChange, ViewCommitError, ViewStore,
};

/// The checkpoint of a subscription, as its worker last read or wrote it.
pub(crate) struct Checkpoint {
    log: Arc<dyn EventLog>,
    pub(super) views: Arc<dyn ViewStore>,
    pub(super) subscription: String,
    pub(super) position: Option<Position>,
    /// The log that it is a position of.
    log_incarnation: Incarnation,
    /// The data that it was read from.
    view_incarnation: Incarnation,
    progress: Progress,
}

impl Checkpoint {
    /// Reads it.
    pub(super) async fn read(
        log: Arc<dyn EventLog>,
        views: Arc<dyn ViewStore>,
        subscription: String,
        progress: Progress,
    ) -> Result<Self, StoreError> {
        // Before the position: one that was read in a later incarnation is then refused.
        let log_incarnation = log.heads().incarnation();
        let view_incarnation = views.view_incarnation();
        let position = views.checkpoint(&subscription).await?;
        Ok(Self {
            log,
            views,
            subscription,
            position,
            log_incarnation,
            view_incarnation,
            progress,
        })
    }

    /// Writes it together with changes of views, unless another process has moved it.
    pub(crate) async fn commit(
        &mut self,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<(), ViewCommitError> {
        self.views.commit(self.batch(to, changes)?).await?;
        self.committed(to);
        Ok(())
    }

    /// It was written, perhaps in a transaction.
    pub(super) fn committed(&mut self, to: Position) {
        self.position = Some(to);
        self.progress.mark_started(to);
    }

    /// The batch that moves it, unless the log has been replaced since it was read: what was folded
    /// is then of another log. A store that keeps the log as well checks that once more, in the same
    /// step as the write.
    pub(super) fn batch(
        &self,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<ViewBatch, ViewCommitError> {
        if self.log.heads().incarnation() != self.log_incarnation {
            return Err(ViewCommitError::Moved {
                found: self.position,
            });
        }
        Ok(ViewBatch {
            subscription: self.subscription.clone(),
            from: self.position,
            to,
            incarnation: self.view_incarnation,
            changes,
        })
    }
}
