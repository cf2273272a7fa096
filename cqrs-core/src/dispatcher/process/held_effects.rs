use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::instance::Instance;
use crate::subscription::{Backoff, NewerWork};
use crate::{CommandId, Timestamp};

/// The commands and deadlines of instances that need a newer program, while nobody else attends who may have it. They
/// are tried again and again, and hold up nothing but their instances.
#[derive(Default)]
pub(super) struct HeldEffects(HashMap<CommandId, HeldEffect>);

/// A command or a deadline that needs a newer program.
pub(super) struct HeldEffect {
    key: String,
    work: NewerWork,
    since: Instant,
    /// The number of looks for other processes when it was held first.
    looks: u64,
    backoff: Backoff,
    /// The next attempt. `None` while it is tried.
    next: Option<Instant>,
}

/// Looks for other processes after which one has begun since the first of them was counted.
const MIN_LOOKS: u64 = 2;

impl HeldEffects {
    /// Holds an effect that has failed, of the instance with this key, until the next attempt. Returns whether it is to
    /// be held no longer, after this time and another look for other processes.
    pub(super) fn hold(
        &mut self,
        (key, id): (&str, CommandId),
        work: NewerWork,
        (looks, patience): (u64, Duration),
    ) -> bool {
        let now = Instant::now();
        let held = self.0.entry(id).or_insert_with(|| HeldEffect {
            key: key.to_owned(),
            work: work.clone(),
            since: now,
            looks,
            backoff: Backoff::default(),
            next: None,
        });
        held.work = work;
        held.backoff.failed();
        held.next = Some(now + held.backoff.pause());
        now - held.since >= patience && looks >= held.looks + MIN_LOOKS
    }

    /// Whether an effect is not to be tried now.
    pub(super) fn is_waiting(&self, id: CommandId) -> bool {
        let held = self.0.get(&id);
        held.is_some_and(|held| held.next.is_some())
    }

    /// Takes the keys of the instances whose effects are to be tried again by now.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for held in self.0.values_mut() {
            if held.next.take_if(|next| *next <= now).is_some() {
                keys.insert(held.key.clone());
            }
        }
        keys
    }

    /// The time of the next attempt.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|held| held.next).min()
    }

    /// The effect that is held for longest.
    pub(super) fn first(&self) -> Option<&NewerWork> {
        let first = self.0.values().min_by_key(|held| held.since);
        first.map(|held| &held.work)
    }

    /// Forgets those that an instance does not have any more. `None` forgets all of it.
    pub(super) fn review(&mut self, key: &str, instance: Option<&Instance>) {
        self.0.retain(|id, held| {
            held.key != key || instance.is_some_and(|instance| instance.has_effect(*id))
        });
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next time at which something is to happen to an instance, unless it waits for the next attempt.
    pub(super) fn next_due(&self, instance: &Instance) -> Option<Timestamp> {
        let deadlines = instance.deadlines.iter();
        let own = deadlines.filter(|deadline| !self.is_waiting(deadline.id));
        own.map(|deadline| deadline.due)
            .chain(instance.expires)
            .min()
    }
}
