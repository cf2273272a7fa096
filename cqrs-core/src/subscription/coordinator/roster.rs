//! What a coordinator knows of the processes that attend, and of their shards.

use std::collections::BTreeSet;

use super::{CoordinatedCrew, Coordinator};
use crate::store::{Attendance, Roster, Shard, ShardState, Slices, StoreError};

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
            let mut others = BTreeSet::new();
            let mut absent = BTreeSet::new();
            for (worker, attended) in &roster.workers {
                if attended.contains(subscription) {
                    others.insert(*worker);
                } else {
                    absent.insert(*worker);
                }
            }
            others.remove(&self.worker);
            let outdated = &crew.crew.progress().info().outdated;
            outdated.note_others(others, absent);
        }
    }

    /// Has this process attend again for the subscriptions that it had left to newer programs, if that has helped, or will
    /// not. Adds the shards for which nobody attends: it may own them.
    pub(super) async fn add_outdated(&self, roster: &mut Roster) -> Result<(), StoreError> {
        let Some(store) = self.views.view_capabilities().shards else {
            return Ok(());
        };
        for (subscription, crew) in &self.crews {
            if !crew.is_outdated() {
                continue;
            }
            let mut attended = roster.workers.iter().flat_map(|(_, attended)| attended);
            let is_attended = attended.any(|it| it == subscription);
            let shards = store.shards(subscription.clone()).await?;
            let progress = crew.crew.progress();
            let outdated = &progress.info().outdated;
            let is_over = outdated.is_past(&shards)
                && (outdated.is_among_old_ones() || self.is_given_up(subscription, crew).await?);
            if is_over {
                outdated.clear();
                for shard in &*progress.shards() {
                    shard.mark_owned(true, self.lease);
                }
                self.wake.notify_one();
            }
            if !is_attended {
                roster.shards.extend(shards);
            }
        }
        Ok(())
    }

    /// Whether nobody waits for a newer program any more, as the process has found that was the last one to try, or an
    /// operator: the instance of an effect is parked, or the event is skipped.
    async fn is_given_up(
        &self,
        subscription: &str,
        crew: &CoordinatedCrew,
    ) -> Result<bool, StoreError> {
        let store = self.views.view_capabilities().shards;
        let work = crew.crew.progress().info().outdated.work();
        let (Some(store), Some(work)) = (store, work) else {
            return Ok(false);
        };
        if let Some(key) = work.effect_of {
            let shard = Shard {
                subscription: subscription.to_owned(),
                slices: Slices::of_tag(&key).into(),
            };
            let parked = store.parked(shard).await?;
            return Ok(parked.iter().any(|it| it.key == key && !it.is_released));
        }
        let skipped = store.skipped(subscription.to_owned()).await?;
        Ok(skipped.iter().any(|it| it.position == work.position))
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
