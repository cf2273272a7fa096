//! What a coordinator does when a subscription is divided: it has a worker for each stored shard, and for no other.

use super::super::crew::shards_of;
use super::super::info::SubscriptionInfo;
use super::super::{Partition, ShardProgress};
use super::{CoordinatedCrew, Coordinator};
use crate::store::{Roster, Shard, ShardState, Slices, StoreError};

/// The reason of a worker whose shard has become part of others.
const DIVIDED: &str = "its shard was divided";

impl Coordinator {
    /// Looks whether this process can handle shards by now that it could not before. It does not attend for them, so
    /// they are in no roster.
    pub(super) async fn review_mismatches(&mut self) -> Result<(), StoreError> {
        let Some(store) = self.views.view_capabilities().shards else {
            return Ok(());
        };
        for (subscription, crew) in &mut self.crews {
            if crew.mismatch.is_some() {
                crew.plan_shards(&store.shards(subscription.clone()).await?);
            }
        }
        Ok(())
    }

    /// Has a worker for each shard in the roster, and for no other. Returns the new shards.
    pub(super) fn follow_divisions(&mut self, roster: &Roster) -> Vec<Shard> {
        let mut divided = Vec::new();
        for (subscription, crew) in &mut self.crews {
            if crew.mismatch.is_some() {
                continue;
            }
            let stored = roster
                .shards
                .iter()
                .filter(|state| state.shard.subscription == *subscription);
            if let Some(slices) = crew.plan_shards(stored) {
                divided.push((subscription.clone(), slices));
            }
        }
        divided
            .into_iter()
            .flat_map(|(subscription, slices)| self.divide(&subscription, &slices))
            .collect()
    }

    /// Replaces workers, if the subscription has other shards than it had. Returns the new shards.
    fn divide(&mut self, subscription: &str, slices: &[Slices]) -> Vec<Shard> {
        let Some(CoordinatedCrew { crew, .. }) = self.crews.get(subscription) else {
            return Vec::new();
        };
        let progress = crew.progress().clone();
        let known = progress.shards();
        let of_known = known.iter().map(|shard| shard.shard().slices);
        if of_known.eq(slices.iter().copied()) {
            return Vec::new();
        }
        let mut new = Vec::new();
        let shards = slices.iter().map(|slices| {
            progress.shard(*slices).unwrap_or_else(|| {
                let shard = ShardProgress::new(progress.info().clone(), *slices);
                new.push(shard.clone());
                shard
            })
        });
        // Before the former ones end: those who wait for them then wait for these.
        progress.divide(shards.collect());
        for former in known.iter() {
            if !slices.contains(&former.shard().slices) {
                if let Some(leased) = self.shards.remove(former.shard()) {
                    leased.lease.lose(None);
                }
                former.mark_ended(DIVIDED);
            }
        }
        let shards = new
            .iter()
            .map(|progress| progress.shard().clone())
            .collect();
        self.start(subscription, new);
        shards
    }

    /// Why this process cannot handle a shard.
    pub(super) fn mismatch(&self, shard: &Shard) -> Option<&str> {
        self.crews.get(&shard.subscription)?.mismatch.as_deref()
    }
}

impl CoordinatedCrew {
    /// The shards that are to have workers. `None` if it cannot handle those that are stored.
    fn plan_shards<'s>(
        &mut self,
        stored: impl IntoIterator<Item = &'s ShardState>,
    ) -> Option<Vec<Slices>> {
        let stored: Vec<&ShardState> = stored.into_iter().collect();
        let info = self.crew.progress().info();
        let slices = shards_of(info, &stored);
        self.mismatch = slices.is_none().then(|| mismatch(info, &stored));
        slices
    }
}

/// The error of a process that does not know how a subscription is divided.
fn mismatch(info: &SubscriptionInfo, stored: &[&ShardState]) -> String {
    let mut partitions = stored.iter().filter_map(|state| state.partition.as_deref());
    let partition = partitions.next().unwrap_or_default();
    let own = match info.partition {
        Some(Partition { tag, .. }) => format!("this program partitions it by `{tag}`"),
        None => "this program does not partition it".to_owned(),
    };
    let (what, remedy) = if stored.iter().any(|state| state.parked > 0) {
        (
            format!("its events are parked by their `{partition}`"),
            "release them",
        )
    } else {
        (
            format!(
                "it is divided by `{partition}` into {} shards",
                stored.len()
            ),
            "divide it into 1 shard",
        )
    };
    format!(
        "{what}, but {own}: {remedy} with a program that has `partition = \"{partition}\"`, or give it \
         another `version`"
    )
}
