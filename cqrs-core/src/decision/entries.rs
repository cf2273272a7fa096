use std::sync::Arc;

use hashbrown::HashMap;
use lru::LruCache;
use tokio::sync::Mutex as AsyncMutex;

use super::aggregate_key::AggregateKey;
use super::cache::{SlotGuard, StateSlot};

/// The aggregates that are in use or were used recently, each with its slot.
///
/// An entry in use is never dropped, however small the cache is: all decisions about an aggregate
/// have to meet at the same lock. There are at most as many of them as calls in progress.
pub(super) struct Entries {
    /// In the order of their last use.
    recent: LruCache<AggregateKey, Entry>,
    /// Entries that had to leave `recent` while they were in use.
    in_use: HashMap<AggregateKey, Entry>,
    /// Number of entries in `in_use` at which the unused ones are removed.
    sweep_at: usize,
    capacity: usize,
    /// Size of all states in `recent`.
    bytes: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Entry {
    slot: Arc<AsyncMutex<StateSlot>>,
    /// Size of the state that was last kept here.
    bytes: usize,
    /// The handler that had the last turn.
    holder: Option<&'static str>,
}

/// Number of entries when no states are kept: turns are needed even then.
const DEFAULT_ENTRIES: usize = 1024;

/// Minimum number of entries in use before unused ones are removed.
const SMALLEST_SWEEP: usize = 64;

impl Entries {
    /// Creates entries for at most `capacity` states of `max_bytes` bytes.
    pub(super) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self {
            recent: LruCache::unbounded(),
            in_use: HashMap::new(),
            sweep_at: SMALLEST_SWEEP,
            capacity: match capacity {
                0 => DEFAULT_ENTRIES,
                capacity => capacity,
            },
            bytes: 0,
            max_bytes,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the aggregate's turn, or returns the lock to wait for.
    pub(super) fn take_turn(
        &mut self,
        key: &AggregateKey,
        handler: &'static str,
    ) -> Result<SlotGuard, Arc<AsyncMutex<StateSlot>>> {
        if let Some(entry) = self.recent.get_mut(key) {
            return entry.take_turn(handler);
        }
        let mut entry = self.in_use.remove(key).unwrap_or_default();
        let taken = entry.take_turn(handler);
        self.recent.push(key.clone(), entry);
        while self.recent.len() > self.capacity {
            self.drop_oldest();
        }
        taken
    }

    pub(super) fn note_holder(&mut self, key: &AggregateKey, handler: &'static str) {
        if let Some(entry) = self.entry(key) {
            entry.holder = Some(handler);
        }
    }

    pub(super) fn holder(&mut self, key: &AggregateKey) -> Option<&'static str> {
        self.entry(key)?.holder
    }

    /// Makes room for a state that returns to its slot, by dropping the least recently used ones.
    /// Returns whether there is room for it.
    pub(super) fn keep(&mut self, key: &AggregateKey, slot: &SlotGuard, bytes: usize) -> bool {
        // The check saves hashing the key, since the map is almost always empty.
        if !self.in_use.is_empty()
            && let Some(entry) = self.in_use.remove(key)
        {
            self.recent.push(key.clone(), entry);
        }
        let entry = self.recent.get_mut(key);
        let Some(entry) = entry.filter(|it| Arc::ptr_eq(&it.slot, SlotGuard::mutex(slot))) else {
            return false;
        };
        self.bytes = self.bytes - entry.bytes + bytes;
        entry.bytes = bytes;
        while self.recent.len() > self.capacity || self.bytes > self.max_bytes {
            self.drop_oldest();
        }
        // The entry was used last, so it is still there unless all entries were dropped.
        !self.recent.is_empty()
    }

    fn entry(&mut self, key: &AggregateKey) -> Option<&mut Entry> {
        match self.recent.peek_mut(key) {
            Some(entry) => Some(entry),
            None => self.in_use.get_mut(key),
        }
    }

    fn drop_oldest(&mut self) {
        let Some((key, mut entry)) = self.recent.pop_lru() else {
            return;
        };
        self.bytes -= entry.bytes;
        if !entry.is_in_use() {
            return;
        }
        entry.bytes = 0;
        // The threshold doubles with the entries that remain, so that sweeps cost little on
        // average.
        if self.in_use.len() >= self.sweep_at {
            self.in_use.retain(|_, entry| entry.is_in_use());
            self.sweep_at = SMALLEST_SWEEP.max(2 * self.in_use.len());
        }
        self.in_use.insert(key, entry);
    }
}

impl Entry {
    fn take_turn(
        &mut self,
        handler: &'static str,
    ) -> Result<SlotGuard, Arc<AsyncMutex<StateSlot>>> {
        let turn = self.slot.clone().try_lock_owned();
        if turn.is_ok() {
            self.holder = Some(handler);
        }
        turn.map_err(|_| self.slot.clone())
    }

    /// Whether a decision has the turn or waits for it.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.slot) > 1
    }
}
