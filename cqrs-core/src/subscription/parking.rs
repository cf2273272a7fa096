//! Keys that are parked: an event of theirs failed for too long, and those of others go on.

use super::follower::EventFailure;
use super::worker::now;
use super::{HeldCheckpoint, Interruption, Partition, Worker};
use crate::handler::OnFailure;
use crate::store::{
    Checkpoint, Epoch, LastEvent, ParkedChange, ParkedKey, Recorded, ViewCommitError,
};
use crate::trace;

/// Maximum number of parked keys of a subscription. Beyond it, an event that fails stops the subscription:
/// so many failures are no matter of single events. Workers of several shards that park keys at the same time
/// may exceed it a little.
pub(super) const MAX_PARKED_KEYS: u64 = 1_000;

impl Worker {
    /// Parks the key of an event that has failed for too long, or stops the subscription. Returns whether
    /// the worker can go on at once. If nothing can be stored, the event is retried.
    pub(super) async fn give_up(&self, failure: EventFailure, epoch: Epoch) -> bool {
        match self.park(&failure, epoch).await {
            Ok(true) => true,
            Ok(false) => {
                self.stop(failure, epoch).await;
                false
            }
            Err(_) => false,
        }
    }

    /// Returns `false` if no key may be parked.
    async fn park(&self, failure: &EventFailure, epoch: Epoch) -> Result<bool, Interruption> {
        let info = self.progress.info();
        let shards = info.views.view_capabilities().shards;
        let (OnFailure::Park, Some(partition), Some(stored_partition), Some(shards)) = (
            info.on_failure,
            info.partition,
            info.stored_partition,
            shards,
        ) else {
            return Ok(false);
        };
        let stored = shards.shards(info.subscription.clone()).await?;
        if stored.iter().map(|state| state.parked).sum::<u64>() >= MAX_PARKED_KEYS {
            return Ok(false);
        }
        let EventFailure {
            event, id, error, ..
        } = failure;
        let first_id = partition.ids(event).next().unwrap_or_default();
        let key = ParkedKey {
            partition: stored_partition.to_owned(),
            key: id.as_deref().unwrap_or(first_id).to_owned(),
            first: event.position,
            cause: error.clone(),
            since: now(),
            is_released: false,
        };
        let mut checkpoint = self.checkpoint(epoch).await?;
        checkpoint.park(key.clone(), event, partition).await?;
        trace::parks(&info.subscription, &key);
        Ok(true)
    }
}

impl HeldCheckpoint {
    /// Parks the key of an event that failed, and moves the checkpoint past the event, unless other keys have to
    /// handle it. Everything before it is done, or is committed by a worker of another epoch, which refuses this.
    async fn park(
        &mut self,
        key: ParkedKey,
        event: &Recorded,
        partition: Partition,
    ) -> Result<(), ViewCommitError> {
        let to = if partition.each {
            self.unmoved(None)
        } else {
            Checkpoint {
                position: event.position,
                last_event: Some(LastEvent::from(event)),
            }
        };
        let batch = self.batch_to(to, Vec::new(), vec![ParkedChange::Park(key)])?;
        self.write(batch).await
    }

    /// Keeps track of changes that were committed.
    pub(super) fn change_parked(&mut self, changes: Vec<ParkedChange>) {
        for change in changes {
            self.parked.retain(|parked| parked.key != change.key());
            self.parked.extend(change.to().cloned());
            if let Some(released) = &mut self.released
                && let Some(to) = change.to()
            {
                *released = to.clone();
            }
        }
    }
}
