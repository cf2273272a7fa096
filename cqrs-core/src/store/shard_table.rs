use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tokio::time::Instant;

use super::{
    Attendance, Checkpoint, Claim, Epoch, Roster, Shard, ShardState, Slices, ViewBatch,
    ViewCommitError, WorkerId,
};

/// The shards and the attending processes of a store in memory.
#[derive(Default)]
pub(super) struct ShardTable {
    /// Never removed, so that an epoch does not begin again.
    shards: BTreeMap<Shard, StoredShard>,
    workers: BTreeMap<WorkerId, Presence>,
}

#[derive(Default)]
pub(super) struct StoredShard {
    owner: Option<WorkerId>,
    epoch: Epoch,
    pub(super) checkpoint: Option<Checkpoint>,
}

struct Presence {
    subscriptions: Vec<String>,
    expires: Instant,
}

impl ShardTable {
    pub(super) fn checkpoint(&self, shard: &Shard) -> Option<Checkpoint> {
        self.shards.get(shard)?.checkpoint
    }

    /// The shard of a batch, which is at the start of the batch.
    ///
    /// # Errors
    /// [`ViewCommitError::Moved`] if it is not, or if another epoch has begun.
    pub(super) fn at_start_of(
        &mut self,
        batch: &ViewBatch,
    ) -> Result<&mut StoredShard, ViewCommitError> {
        let stored = self.shards.entry(batch.shard.clone()).or_default();
        let found = stored.checkpoint.map(|checkpoint| checkpoint.position);
        if found == batch.from && stored.epoch == batch.epoch {
            Ok(stored)
        } else {
            Err(ViewCommitError::Moved { found })
        }
    }

    pub(super) fn attend(&mut self, attendance: Attendance) -> Roster {
        let now = Instant::now();
        let Attendance {
            worker,
            subscriptions,
            lease,
        } = attendance;
        self.workers.retain(|_, presence| presence.expires > now);
        let presence = Presence {
            subscriptions,
            expires: now + lease,
        };
        self.workers.insert(worker, presence);
        let named: BTreeSet<&String> = self
            .workers
            .values()
            .flat_map(|presence| &presence.subscriptions)
            .collect();
        let shards = named
            .into_iter()
            .flat_map(|subscription| self.shards.range(shards_of(subscription)))
            .map(|(shard, stored)| ShardState {
                shard: shard.clone(),
                owner: stored
                    .owner
                    .filter(|owner| self.workers.contains_key(owner)),
                epoch: stored.epoch,
                checkpoint: stored.checkpoint,
            })
            .collect();
        let workers = self
            .workers
            .iter()
            .map(|(worker, presence)| (*worker, presence.subscriptions.clone()))
            .collect();
        Roster { workers, shards }
    }

    pub(super) fn claim(&mut self, worker: WorkerId, claim: Claim) -> Option<Epoch> {
        let Claim { shard, seen } = claim;
        let now = Instant::now();
        let stored = self.shards.entry(shard).or_default();
        let is_owned = stored.owner.is_some_and(|owner| {
            let presence = self.workers.get(&owner);
            presence.is_some_and(|presence| presence.expires > now)
        });
        if is_owned || stored.epoch != seen {
            return None;
        }
        stored.owner = Some(worker);
        stored.epoch = seen.next();
        Some(stored.epoch)
    }

    pub(super) fn release(&mut self, worker: WorkerId, shards: &[Shard]) {
        for shard in shards {
            if let Some(stored) = self.shards.get_mut(shard) {
                stored.owner = stored.owner.filter(|owner| *owner != worker);
            }
        }
    }

    pub(super) fn leave(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
        for stored in self.shards.values_mut() {
            stored.owner = stored.owner.filter(|owner| *owner != worker);
        }
    }
}

/// All possible shards of a subscription.
fn shards_of(subscription: &str) -> RangeInclusive<Shard> {
    let bound = |slice| Shard {
        subscription: subscription.to_owned(),
        slices: Slices::from(slice),
    };
    bound(0)..=bound(Slices::COUNT - 1)
}
