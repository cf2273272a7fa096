use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::store::{Roster, Shard, WorkerId};

/// Assigns each shard to a process that attends and can handle it, without a leader: all processes
/// that see the same roster compute the same assignment. While their rosters differ, a process may
/// claim a shard that is not its own; epochs make that harmless.
///
/// Each shard goes to the process with the highest hash of both (rendezvous hashing: when a process
/// joins or leaves, few shards move), among those that have not got their share yet. No process gets
/// more than its share of the shards, rounded up.
pub(super) fn assign(roster: &Roster, shards: &[Shard]) -> HashMap<Shard, WorkerId> {
    let mut loads: HashMap<WorkerId, usize> = HashMap::new();
    let share = shards.len().div_ceil(roster.workers.len().max(1));
    let mut assigned = HashMap::with_capacity(shards.len());
    for shard in shards {
        let able = roster
            .workers
            .iter()
            .filter(|(_, subscriptions)| subscriptions.contains(&shard.subscription))
            .map(|(worker, _)| *worker);
        // Processes may handle different subscriptions. Then the share of one may have to be
        // exceeded, by as little as possible.
        let preferred = able.min_by_key(|worker| {
            let load = loads.get(worker).copied().unwrap_or_default();
            (
                load.max(share.saturating_sub(1)),
                !preference(*worker, shard),
            )
        });
        if let Some(worker) = preferred {
            *loads.entry(worker).or_default() += 1;
            assigned.insert(shard.clone(), worker);
        }
    }
    assigned
}

/// How much a process prefers a shard.
fn preference(worker: WorkerId, shard: &Shard) -> u64 {
    let mut bytes = worker.as_uuid().as_bytes().to_vec();
    bytes.extend(shard.slices.first().to_be_bytes());
    bytes.extend(shard.subscription.as_bytes());
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::Slices;

    const SUBSCRIPTION: &str = "projection:orders:1";

    fn roster(workers: impl IntoIterator<Item = u128>) -> Roster {
        let attending = |id| {
            let worker = WorkerId::from(Uuid::from_u128(id));
            (worker, vec![SUBSCRIPTION.to_owned()])
        };
        Roster {
            workers: workers.into_iter().map(attending).collect(),
            shards: Vec::new(),
        }
    }

    fn shards(count: u16) -> Vec<Shard> {
        let size = Slices::COUNT / count;
        (0..count)
            .filter_map(|place| Slices::new(place * size, (place + 1) * size - 1))
            .map(|slices| Shard {
                subscription: SUBSCRIPTION.to_owned(),
                slices,
            })
            .collect()
    }

    #[test]
    fn each_shard_has_a_process_and_no_process_more_than_its_share() {
        for (workers, count) in [(1, 1), (3, 1), (3, 8), (5, 16), (7, 64)] {
            let shards = shards(count);
            let assigned = assign(&roster(0..workers), &shards);
            assert_eq!(assigned.len(), shards.len());
            let mut loads: HashMap<WorkerId, usize> = HashMap::new();
            for worker in assigned.values() {
                *loads.entry(*worker).or_default() += 1;
            }
            let share = shards
                .len()
                .div_ceil(usize::try_from(workers).expect("small"));
            assert!(loads.values().all(|load| *load <= share), "{loads:?}");
        }
    }

    #[test]
    fn few_shards_move_when_a_process_leaves() {
        let shards = shards(64);
        let before = assign(&roster(0..8), &shards);
        let after = assign(&roster(1..8), &shards);
        let moved = shards
            .iter()
            .filter(|shard| before[*shard] != after[*shard]);
        // Those of the process that left, and some for the new shares.
        assert!(moved.count() <= 24);
    }

    #[test]
    fn a_process_gets_no_subscription_that_it_cannot_handle() {
        let mut roster = roster(0..2);
        roster.workers[0].1.clear();
        let assigned = assign(&roster, &shards(8));
        assert_eq!(assigned.len(), 8);
        assert!(
            assigned
                .values()
                .all(|worker| *worker == roster.workers[1].0)
        );
        roster.workers[1].1.clear();
        assert!(assign(&roster, &shards(8)).is_empty());
    }
}
