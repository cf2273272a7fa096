use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_64;

use crate::store::{Roster, Shard, WorkerId};

/// Number of shards by which one process has more than another before one of them moves. With a smaller one, it
/// would move back and forth.
const MAX_DIFFERENCE: usize = 2;

/// Assigns each shard to a process that attends and can handle it, without a leader: all processes
/// that see the same roster compute the same assignment. While their rosters differ, a process may
/// claim a shard that is not its own; epochs make that harmless.
///
/// A shard stays where it is, and one without an owner goes to the process with the fewest. Then shards move from
/// processes that have more to others, until none has more than one more than another that could have it. So a
/// process that joins gets its share, and no process loses what is its share: not the only shard that it has.
pub(super) fn assign(roster: &Roster, shards: &[Shard]) -> HashMap<Shard, WorkerId> {
    let mut loads = ShardLoads::new(roster);
    let owners: HashMap<&Shard, WorkerId> = roster
        .shards
        .iter()
        .filter_map(|state| Some((&state.shard, state.owner?)))
        .collect();
    let mut free = Vec::new();
    for shard in shards {
        let owner = owners.get(shard);
        let is_kept = owner.is_some_and(|owner| loads.keep(*owner, shard));
        if !is_kept {
            free.push(shard);
        }
    }
    for shard in free {
        loads.add(shard);
    }
    while loads.level() {}
    loads.into_assignment()
}

/// The shards that each process is to have.
struct ShardLoads<'r> {
    workers: Vec<WorkerId>,
    /// The subscriptions, each with its place among the `able`.
    subscriptions: BTreeMap<&'r str, usize>,
    /// By the place of the subscription: the places of the processes that can handle it.
    able: Vec<Vec<usize>>,
    /// By the place of the process.
    held: Vec<Vec<HeldShard<'r>>>,
}

struct HeldShard<'r> {
    shard: &'r Shard,
    /// The place of its subscription.
    subscription: usize,
    /// How much the process prefers it.
    preference: u64,
}

impl<'r> ShardLoads<'r> {
    fn new(roster: &'r Roster) -> Self {
        let mut subscriptions = BTreeMap::new();
        let mut able: Vec<Vec<usize>> = Vec::new();
        for (worker, (_, handled)) in roster.workers.iter().enumerate() {
            for subscription in handled {
                let place = *subscriptions.entry(&**subscription).or_insert(able.len());
                if place == able.len() {
                    able.push(Vec::new());
                }
                able[place].push(worker);
            }
        }
        Self {
            workers: roster.workers.iter().map(|(worker, _)| *worker).collect(),
            subscriptions,
            able,
            held: roster.workers.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Leaves a shard to its owner. Returns whether that can handle it.
    fn keep(&mut self, owner: WorkerId, shard: &'r Shard) -> bool {
        let place = self.workers.iter().position(|worker| *worker == owner);
        let subscription = self.subscriptions.get(&*shard.subscription);
        let (Some(worker), Some(&subscription)) = (place, subscription) else {
            return false;
        };
        let is_able = self.able[subscription].contains(&worker);
        if is_able {
            self.give(worker, shard, subscription);
        }
        is_able
    }

    /// Gives a shard to the process that has the fewest, if one can handle it.
    fn add(&mut self, shard: &'r Shard) {
        let Some(&subscription) = self.subscriptions.get(&*shard.subscription) else {
            return;
        };
        let able = self.able[subscription].iter().copied();
        let preferred = able.min_by_key(|worker| {
            let preference = preference(self.workers[*worker], shard);
            (self.held[*worker].len(), Reverse(preference))
        });
        if let Some(worker) = preferred {
            self.give(worker, shard, subscription);
        }
    }

    fn give(&mut self, worker: usize, shard: &'r Shard, subscription: usize) {
        self.held[worker].push(HeldShard {
            shard,
            subscription,
            preference: preference(self.workers[worker], shard),
        });
    }

    /// Moves one shard from the process that has the most more than another one. Of its shards, that is the one
    /// that it prefers least: as long as it has not given up all that it has to, it gives up the same ones.
    /// Returns `false` if none has too many.
    fn level(&mut self) -> bool {
        let fewest: Vec<usize> = self
            .able
            .iter()
            .map(|able| {
                let loads = able.iter().map(|worker| self.held[*worker].len());
                loads.min().unwrap_or_default()
            })
            .collect();
        let held = self.held.iter().enumerate();
        let shards = held.flat_map(|(worker, held)| held.iter().map(move |it| (worker, it)));
        let most = shards
            .map(|(worker, it)| {
                let load = self.held[worker].len();
                let difference = load.saturating_sub(fewest[it.subscription]);
                (difference, Reverse(it.preference), it.shard, worker)
            })
            .max();
        let Some((MAX_DIFFERENCE.., _, shard, worker)) = most else {
            return false;
        };
        self.held[worker].retain(|it| it.shard != shard);
        self.add(shard);
        true
    }

    fn into_assignment(self) -> HashMap<Shard, WorkerId> {
        let by_worker = self.workers.into_iter().zip(self.held);
        let assigned = by_worker.flat_map(|(worker, held)| {
            let held = held.into_iter();
            held.map(move |it| (it.shard.clone(), worker))
        });
        assigned.collect()
    }
}

/// How much a process prefers a shard.
fn preference(worker: WorkerId, shard: &Shard) -> u64 {
    let mut bytes = worker.as_uuid().as_bytes().to_vec();
    bytes.extend(shard.slices.first().to_be_bytes());
    bytes.extend(shard.subscription.as_bytes());
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests;
