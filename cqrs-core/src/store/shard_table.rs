use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tokio::time::Instant;

use super::{
    Ahead, Attendance, Checkpoint, Claim, Division, Epoch, Halt, HaltKind, KeyRelease, ParkedKey,
    Relocation, Replacement, Roster, Shard, ShardState, SkippedEvent, Slices, ViewBatch,
    ViewCommitError, WorkerId,
};

/// The shards and the attending processes of a store in memory.
#[derive(Default)]
pub(super) struct ShardTable {
    /// Only a division removes any, and its shards begin with higher epochs.
    shards: BTreeMap<Shard, StoredShard>,
    workers: BTreeMap<WorkerId, Presence>,
    /// By the subscription.
    skipped: BTreeMap<String, Vec<SkippedEvent>>,
    /// By the subscription and the key.
    parked: BTreeMap<String, BTreeMap<String, ParkedKey>>,
}

#[derive(Default)]
struct StoredShard {
    owner: Option<WorkerId>,
    epoch: Epoch,
    checkpoint: Option<Checkpoint>,
    halt: Option<Halt>,
    ahead: Vec<Ahead>,
    partition: Option<String>,
}

struct Presence {
    subscriptions: Vec<String>,
    expires: Instant,
}

impl ShardTable {
    pub(super) fn checkpoint(&self, shard: &Shard) -> Option<Checkpoint> {
        self.shards.get(shard)?.checkpoint
    }

    /// Moves the checkpoint of a batch, and changes its parked keys.
    ///
    /// # Errors
    /// [`ViewCommitError::Moved`], and nothing has changed, if the shard or one of the keys is not where the
    /// batch begins, or if another epoch has begun.
    pub(super) fn commit(&mut self, batch: &ViewBatch) -> Result<(), ViewCommitError> {
        let subscription = &batch.shard.subscription;
        let parked = self.parked.get(subscription);
        let are_parked = batch.parked.iter().all(|change| {
            let found = parked.and_then(|parked| parked.get(change.key()));
            found.map(|parked| parked.first) == change.from()
        });
        let Some(stored) = self.stored(&batch.shard) else {
            return Err(ViewCommitError::Moved { found: None });
        };
        let found = stored.checkpoint.map(|checkpoint| checkpoint.position);
        if found != batch.from || stored.epoch != batch.epoch || !are_parked {
            return Err(ViewCommitError::Moved { found });
        }
        stored.checkpoint = Some(batch.to);
        for change in &batch.parked {
            let parked = self.parked.entry(subscription.clone()).or_default();
            match change.to() {
                Some(to) => parked.insert(to.key.clone(), to.clone()),
                None => parked.remove(change.key()),
            };
        }
        Ok(())
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
            .flat_map(|subscription| self.shards_of(subscription))
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
        let has_owner = self.owner(&shard, now).is_some();
        let stored = self.stored(&shard)?;
        if has_owner || stored.epoch != seen || stored.halt.is_some() {
            return None;
        }
        stored.owner = Some(worker);
        stored.epoch = seen.next();
        Some(stored.epoch)
    }

    pub(super) fn seize(&mut self, worker: WorkerId, subscription: &str) -> bool {
        let mut is_any_seized = false;
        let shards = self.shards.range_mut(shards_of(subscription));
        for (_, stored) in shards.filter(|(_, stored)| stored.halt.is_none()) {
            stored.owner = Some(worker);
            stored.epoch = stored.epoch.next();
            is_any_seized = true;
        }
        is_any_seized
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

    pub(super) fn shards_of(&self, subscription: &str) -> Vec<ShardState> {
        let now = Instant::now();
        let stored = self.shards.range(shards_of(subscription));
        let states = stored.map(|(shard, stored)| {
            let parked = self.parked(shard);
            let parked_by = parked.first().map(|parked| parked.partition.clone());
            ShardState {
                shard: shard.clone(),
                owner: stored.attending_owner(&self.workers, now),
                epoch: stored.epoch,
                checkpoint: stored.checkpoint,
                halt: stored.halt.clone(),
                ahead: stored.ahead.clone(),
                partition: parked_by.or_else(|| stored.partition.clone()),
                parked: parked.len() as u64,
            }
        });
        states.collect()
    }

    pub(super) fn halt(&mut self, shard: &Shard, halt: Halt, epoch: Option<Epoch>) -> bool {
        let has_owner = self.owner(shard, Instant::now()).is_some();
        let Some(stored) = self.stored(shard) else {
            return false;
        };
        if epoch.is_some_and(|epoch| epoch != stored.epoch || stored.halt.is_some()) {
            return false;
        }
        stored.halt = Some(halt);
        if !has_owner {
            stored.owner = None;
            stored.epoch = stored.epoch.next();
        }
        true
    }

    pub(super) fn divide(&mut self, division: &Division) -> bool {
        let stored = self.shards_of(division.subscription());
        let Some(divided) = division.apply(&stored) else {
            return false;
        };
        self.put(&stored, divided);
        true
    }

    /// Puts shards in the place of all others of their subscription.
    fn put(&mut self, former: &[ShardState], states: Vec<ShardState>) {
        for former in former {
            self.shards.remove(&former.shard);
        }
        for state in states {
            let stored = StoredShard {
                owner: None,
                epoch: state.epoch,
                checkpoint: state.checkpoint,
                halt: state.halt,
                ahead: state.ahead,
                partition: state.partition,
            };
            self.shards.insert(state.shard, stored);
        }
    }

    /// Puts the shards that were built again, and their parked keys, in the place of others.
    pub(super) fn replace(&mut self, replacement: &Replacement) -> bool {
        let Replacement {
            subscription,
            rebuilt,
            ..
        } = replacement;
        let present = self.shards_of(subscription);
        let Some(replaced) = replacement.apply(&present, &self.shards_of(rebuilt)) else {
            return false;
        };
        self.put(&present, replaced);
        self.parked.remove(subscription);
        if let Some(parked) = self.parked.remove(rebuilt) {
            self.parked.insert(subscription.clone(), parked);
        }
        self.forget(rebuilt);
        true
    }

    pub(super) fn resume(&mut self, shard: &Shard, from_pause: bool) -> bool {
        let Some(stored) = self.shards.get_mut(shard) else {
            return false;
        };
        let kind = stored.halt.as_ref().map(|halt| halt.kind);
        if (kind == Some(HaltKind::Paused)) != from_pause {
            return false;
        }
        stored.halt = None;
        stored.epoch = stored.epoch.next();
        true
    }

    pub(super) fn relocate(&mut self, relocation: Relocation) -> bool {
        let skips = relocation.skips();
        let Relocation {
            shard, from, to, ..
        } = relocation;
        let Some(stored) = self.stored(&shard) else {
            return false;
        };
        if stored.checkpoint.map(|found| found.position) != from {
            return false;
        }
        stored.checkpoint = Some(to);
        stored.epoch = stored.epoch.next();
        stored.halt = stored.halt.take().and_then(Halt::after_stop);
        if !skips.is_empty() {
            let all = self.skipped.entry(shard.subscription).or_default();
            all.extend(skips);
            return true;
        }
        stored.ahead.clear();
        if let Some(parked) = self.parked.get_mut(&shard.subscription) {
            parked.retain(|_, key| !shard.slices.contains(key.slice()) || key.first <= to.position);
        }
        true
    }

    pub(super) fn skipped(&self, subscription: &str) -> Vec<SkippedEvent> {
        let mut skipped = self.skipped.get(subscription).cloned().unwrap_or_default();
        skipped.sort_by(|a, b| (a.position, a.time, &a.key).cmp(&(b.position, b.time, &b.key)));
        skipped
    }

    /// Whether a process attends for a subscription.
    pub(super) fn is_attended(&self, subscription: &str) -> bool {
        let now = Instant::now();
        self.workers.values().any(|presence| {
            let mut subscriptions = presence.subscriptions.iter();
            presence.expires > now && subscriptions.any(|it| it == subscription)
        })
    }

    /// Forgets what a subscription has done, and keeps the epochs of its shards.
    pub(super) fn forget(&mut self, subscription: &str) {
        for (_, stored) in self.shards.range_mut(shards_of(subscription)) {
            *stored = StoredShard {
                epoch: stored.epoch.next(),
                partition: stored.partition.take(),
                ..StoredShard::default()
            };
        }
        self.skipped.remove(subscription);
        self.parked.remove(subscription);
    }

    pub(super) fn parked(&self, shard: &Shard) -> Vec<ParkedKey> {
        let parked = self.parked.get(&shard.subscription).into_iter().flatten();
        let mut keys: Vec<ParkedKey> = parked
            .map(|(_, parked)| parked)
            .filter(|parked| shard.slices.contains(parked.slice()))
            .cloned()
            .collect();
        keys.sort_by_key(|parked| parked.first);
        keys
    }

    pub(super) fn release_keys(&mut self, release: KeyRelease) -> u64 {
        let parked = self.parked.entry(release.subscription.clone()).or_default();
        let mut slices = Vec::new();
        for key in parked.values_mut() {
            if let Some(released) = release.apply(key) {
                slices.push(key.slice());
                *key = released;
            }
        }
        for (shard, stored) in self.shards.range_mut(shards_of(&release.subscription)) {
            if slices.iter().any(|slice| shard.slices.contains(*slice)) {
                stored.epoch = stored.epoch.next();
            }
        }
        if let Some(event) = release.skipped.filter(|_| !slices.is_empty()) {
            self.skipped
                .entry(release.subscription)
                .or_default()
                .push(event);
        }
        slices.len() as u64
    }

    /// The stored shard. Stores it, if its subscription has none. `None` if it has others.
    fn stored(&mut self, shard: &Shard) -> Option<&mut StoredShard> {
        let is_new = !self.shards.contains_key(shard);
        if is_new
            && self
                .shards
                .range(shards_of(&shard.subscription))
                .next()
                .is_some()
        {
            return None;
        }
        Some(self.shards.entry(shard.clone()).or_default())
    }

    /// The owner of a shard, if it attends.
    fn owner(&self, shard: &Shard, now: Instant) -> Option<WorkerId> {
        self.shards.get(shard)?.attending_owner(&self.workers, now)
    }
}

impl StoredShard {
    fn attending_owner(
        &self,
        workers: &BTreeMap<WorkerId, Presence>,
        now: Instant,
    ) -> Option<WorkerId> {
        self.owner.filter(|owner| {
            let presence = workers.get(owner);
            presence.is_some_and(|presence| presence.expires > now)
        })
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
