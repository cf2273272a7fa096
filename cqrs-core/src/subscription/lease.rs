use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::store::{Checkpoint, Epoch};

/// Whether this process holds a shard. Shared by the coordinator, which claims shards and gives them
/// up, and the worker, which handles events as long as it holds its shard.
#[derive(Clone)]
pub(super) struct ShardLease {
    state: watch::Sender<ShardLeaseState>,
    /// Wakes the coordinator.
    coordinator: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShardLeaseState {
    /// Another process holds the shard, or none does, and this was its checkpoint, in this epoch.
    Elsewhere(Option<(Epoch, Checkpoint)>),
    /// Held since this epoch began.
    Held(Epoch),
    /// As before, but to be given up: the worker stops after the current page.
    Ending(Epoch),
}

impl ShardLease {
    /// A lease of a shard that is not held yet, with the signal that wakes its coordinator.
    pub(super) fn new(coordinator: Arc<Notify>) -> Self {
        Self {
            state: watch::Sender::new(ShardLeaseState::Elsewhere(None)),
            coordinator,
        }
    }

    /// A lease that never ends, in a store without shards.
    pub(super) fn unlimited() -> Self {
        let lease = Self::new(Arc::default());
        lease.grant(Epoch::UNCLAIMED);
        lease
    }

    pub(super) fn state(&self) -> ShardLeaseState {
        *self.state.borrow()
    }

    /// Lets the worker handle events in this epoch.
    pub(super) fn grant(&self, epoch: Epoch) {
        self.set(ShardLeaseState::Held(epoch));
    }

    /// Asks the worker to stop, if the shard is held in this epoch. The coordinator is woken when it has.
    pub(super) fn end(&self, epoch: Epoch) {
        self.state.send_if_modified(|state| {
            let is_held = *state == ShardLeaseState::Held(epoch);
            if is_held {
                *state = ShardLeaseState::Ending(epoch);
            }
            is_held
        });
    }

    /// Records that another process holds the shard, with its checkpoint in this epoch. The worker's next commit is
    /// refused.
    pub(super) fn lose(&self, checkpoint: Option<(Epoch, Checkpoint)>) {
        self.set(ShardLeaseState::Elsewhere(checkpoint));
    }

    /// Waits until the shard is held, and returns the epoch. A shard that is to be given up again before that
    /// is noticed is given up.
    pub(super) async fn held(&self) -> Epoch {
        let mut states = self.state.subscribe();
        loop {
            let changed = states
                .wait_for(|state| !matches!(state, ShardLeaseState::Elsewhere(_)))
                .await;
            // Copied, since a lock is held as long as this is borrowed.
            match changed.map(|state| *state) {
                Ok(ShardLeaseState::Held(epoch)) => return epoch,
                Ok(_) => self.stopped(),
                // The sender is gone, but `self` has it.
                Err(_) => return Epoch::UNCLAIMED,
            }
        }
    }

    /// Waits until another process holds the shard, with another checkpoint than this one.
    pub(super) async fn moved(
        &self,
        from: Option<(Epoch, Checkpoint)>,
    ) -> Option<(Epoch, Checkpoint)> {
        let mut states = self.state.subscribe();
        let moved = states.wait_for(|state| match state {
            ShardLeaseState::Elsewhere(checkpoint) => *checkpoint != from,
            ShardLeaseState::Held(_) | ShardLeaseState::Ending(_) => false,
        });
        match moved.await.as_deref() {
            Ok(ShardLeaseState::Elsewhere(checkpoint)) => *checkpoint,
            // An error would mean that the sender is gone, but `self` has it.
            _ => from,
        }
    }

    /// Waits until the shard is no longer held in this epoch, or is to be given up.
    pub(super) async fn over(&self, epoch: Epoch) {
        let mut states = self.state.subscribe();
        let _ = states
            .wait_for(|state| *state != ShardLeaseState::Held(epoch))
            .await;
    }

    /// Records that the worker has stopped, and wakes the coordinator.
    pub(super) fn stopped(&self) {
        if let ShardLeaseState::Ending(_) = self.state() {
            self.set(ShardLeaseState::Elsewhere(None));
        }
        self.coordinator.notify_one();
    }

    /// Wakes the coordinator, since the owner of the shard may have changed, or died.
    pub(super) fn doubt(&self) {
        self.coordinator.notify_one();
    }

    fn set(&self, to: ShardLeaseState) {
        self.state.send_if_modified(|state| {
            let is_new = *state != to;
            *state = to;
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// The worker would wait for the end of a shard that it does not know to have, and the coordinator for the
    /// worker.
    #[tokio::test]
    async fn a_shard_that_is_to_be_given_up_before_the_worker_notices_is_given_up() {
        let coordinator = Arc::new(Notify::new());
        let lease = ShardLease::new(coordinator.clone());
        let epoch = Epoch::UNCLAIMED.next();
        lease.grant(epoch);
        lease.end(epoch);
        let held = timeout(Duration::ZERO, lease.held()).await;
        assert!(held.is_err(), "it is not held");
        assert_eq!(lease.state(), ShardLeaseState::Elsewhere(None));
        coordinator.notified().await;
        lease.grant(epoch.next());
        assert_eq!(lease.held().await, epoch.next());
    }
}
