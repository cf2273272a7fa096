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
    /// Incarnation of the log that the position refers to.
    log_incarnation: Incarnation,
    /// Incarnation of the data that the checkpoint was read from.
    view_incarnation: Incarnation,
    progress: Progress,
}

impl Checkpoint {
    /// Reads the checkpoint of a subscription.
    pub(super) async fn read(
        log: Arc<dyn EventLog>,
        views: Arc<dyn ViewStore>,
        subscription: String,
        progress: Progress,
    ) -> Result<Self, StoreError> {
        // Before the position. If a replacement comes in between, the position carries the earlier
        // incarnation, and its commits are refused; in the other order, they would be accepted.
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

    /// Moves the checkpoint to `to` and writes the changes of views with it, unless another process
    /// has moved the checkpoint.
    pub(crate) async fn commit(
        &mut self,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<(), ViewCommitError> {
        self.views.commit(self.batch(to, changes)?).await?;
        self.committed(to);
        Ok(())
    }

    /// Records that the checkpoint was written, by [`commit`](Self::commit) or in a transaction.
    pub(super) fn committed(&mut self, to: Position) {
        self.position = Some(to);
        self.progress.mark_started(to);
    }

    /// The batch that moves the checkpoint. Refused if the log has been replaced since the
    /// checkpoint was read, since the folded events belong to the earlier log. A store that also
    /// keeps the log checks that once more, in the same step as the write.
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
