//! What a coordinator knows of the processes that attend, and of their shards.

use super::Coordinator;
use crate::store::{Attendance, Roster, Shard, ShardState, StoreError};

impl Coordinator {
    /// Notes the parked keys of the shards that other processes own: of its own, a worker knows more.
    pub(super) fn note_parked(&self, roster: &Roster) {
        for state in &roster.shards {
            if state.owner != Some(self.worker)
                && let Some(leased) = self.shards.get(&state.shard)
            {
                leased.progress.mark_parked_count(state.parked);
            }
        }
    }

    /// The processes that attend, this one included, and the shards. For an observer, the shards alone.
    pub(super) async fn roster(&self) -> Result<Roster, StoreError> {
        let store = self.views.view_capabilities().shards;
        if let Some(store) = store.filter(|_| !self.observes) {
            return store.attend(self.attendance()).await;
        }
        let mut shards = Vec::with_capacity(self.shards.len());
        match store {
            Some(store) => {
                for subscription in self.attendance().subscriptions {
                    shards.extend(store.shards(subscription).await?);
                }
            }
            None => {
                for shard in self.shards.keys() {
                    shards.push(ShardState {
                        checkpoint: self.views.checkpoint(shard).await?,
                        ..ShardState::unclaimed(shard.clone())
                    });
                }
            }
        }
        Ok(Roster {
            workers: Vec::new(),
            shards,
        })
    }

    /// Notes which other processes attend for its subscriptions: they may be of a newer program.
    pub(super) fn note_others(&self, roster: &Roster) {
        for (subscription, crew) in &self.crews {
            let attending = roster.workers.iter().filter(|(worker, attended)| {
                *worker != self.worker && attended.iter().any(|it| it == subscription)
            });
            let others = attending.map(|(worker, _)| *worker).collect();
            crew.crew.progress().info().outdated.note_others(others);
        }
    }

    /// Adds the shards for which nobody attends any more, since this program is too old: it may own them. Once an
    /// operator has skipped the newer event, it attends again, and at once if it has left an effect.
    pub(super) async fn add_outdated(&self, roster: &mut Roster) -> Result<(), StoreError> {
        let Some(store) = self.views.view_capabilities().shards else {
            return Ok(());
        };
        for (subscription, crew) in &self.crews {
            let mut attended = roster.workers.iter().flat_map(|(_, attended)| attended);
            if !crew.is_outdated() || attended.any(|it| it == subscription) {
                continue;
            }
            let shards = store.shards(subscription.clone()).await?;
            let progress = crew.crew.progress();
            if progress.info().outdated.clear_if_done(&shards) {
                for shard in &*progress.shards() {
                    shard.mark_owned(true, self.lease);
                }
                self.wake.notify_one();
            }
            roster.shards.extend(shards);
        }
        Ok(())
    }

    fn attendance(&self) -> Attendance {
        Attendance {
            worker: self.worker,
            subscriptions: self
                .crews
                .iter()
                .filter(|(_, crew)| crew.mismatch.is_none() && !crew.is_outdated())
                .map(|(subscription, _)| subscription.clone())
                .collect(),
            lease: self.lease,
        }
    }
}

/// All shards that the attending processes can handle, in order. A subscription that was never
/// claimed is a single shard.
pub(super) fn all_shards(roster: &Roster) -> Vec<Shard> {
    let mut shards: Vec<Shard> = roster
        .shards
        .iter()
        .map(|state| state.shard.clone())
        .collect();
    for subscription in roster
        .workers
        .iter()
        .flat_map(|(_, subscriptions)| subscriptions)
    {
        if !shards
            .iter()
            .any(|shard| shard.subscription == *subscription)
        {
            shards.push(Shard::whole(subscription));
        }
    }
    shards.sort();
    shards
}
