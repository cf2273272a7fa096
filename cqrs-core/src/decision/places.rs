use std::sync::Arc;

use hashbrown::HashMap;
use lru::LruCache;
use tokio::sync::Mutex as AsyncMutex;

use super::cache::{Checkout, Key, Slot};

/// The places of aggregates: those that were used lately, and those that are in use.
///
/// A place that is in use is never given up, however small the cache is: those who wait for it and
/// those who come later have to meet. There are no more of them than calls under way.
pub(super) struct Places {
    /// The one that was used last first.
    recent: LruCache<Key, Place>,
    /// Those that had to leave `recent` while they were in use.
    in_use: HashMap<Key, Place>,
    /// At this many `in_use`, those that are not in use any more are removed.
    sweep_at: usize,
    capacity: usize,
    /// Of all states in `recent`.
    bytes: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Place {
    slot: Arc<AsyncMutex<Slot>>,
    /// Of the state that was put there last.
    bytes: usize,
    /// The handler that had the last turn.
    holder: Option<&'static str>,
}

/// How many places there are when no states are kept.
const DEFAULT_PLACES: usize = 1024;

/// How many places in use are not worth a search.
const SMALLEST_SWEEP: usize = 64;

impl Places {
    /// Of at most so many states, with so many bytes.
    pub(super) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self {
            recent: LruCache::unbounded(),
            in_use: HashMap::new(),
            sweep_at: SMALLEST_SWEEP,
            capacity: match capacity {
                0 => DEFAULT_PLACES,
                capacity => capacity,
            },
            bytes: 0,
            max_bytes,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the aggregate's turn, or returns what to wait for.
    pub(super) fn take_turn(
        &mut self,
        key: &Key,
        handler: &'static str,
    ) -> Result<Checkout, Arc<AsyncMutex<Slot>>> {
        if let Some(place) = self.recent.get_mut(key) {
            return place.take_turn(handler);
        }
        let mut place = self.in_use.remove(key).unwrap_or_default();
        let taken = place.take_turn(handler);
        self.recent.push(key.clone(), place);
        while self.recent.len() > self.capacity {
            self.let_oldest_go();
        }
        taken
    }

    pub(super) fn note_holder(&mut self, key: &Key, handler: &'static str) {
        if let Some(place) = self.place(key) {
            place.holder = Some(handler);
        }
    }

    pub(super) fn holder(&mut self, key: &Key) -> Option<&'static str> {
        self.place(key)?.holder
    }

    /// Makes room for the state that is put into the slot: lets those go that were not used for
    /// longest. Whether there is room for this one.
    pub(super) fn keep(&mut self, key: &Key, slot: &Checkout, bytes: usize) -> bool {
        // Nearly always empty: a hash is saved.
        if !self.in_use.is_empty()
            && let Some(place) = self.in_use.remove(key)
        {
            self.recent.push(key.clone(), place);
        }
        let place = self.recent.get_mut(key);
        let Some(place) = place.filter(|it| Arc::ptr_eq(&it.slot, Checkout::mutex(slot))) else {
            return false;
        };
        self.bytes = self.bytes - place.bytes + bytes;
        place.bytes = bytes;
        while self.recent.len() > self.capacity || self.bytes > self.max_bytes {
            self.let_oldest_go();
        }
        // It was used last, so it is the last to go.
        !self.recent.is_empty()
    }

    fn place(&mut self, key: &Key) -> Option<&mut Place> {
        match self.recent.peek_mut(key) {
            Some(place) => Some(place),
            None => self.in_use.get_mut(key),
        }
    }

    fn let_oldest_go(&mut self) {
        let Some((key, mut place)) = self.recent.pop_lru() else {
            return;
        };
        self.bytes -= place.bytes;
        if !place.is_in_use() {
            return;
        }
        place.bytes = 0;
        if self.in_use.len() >= self.sweep_at {
            self.in_use.retain(|_, place| place.is_in_use());
            self.sweep_at = SMALLEST_SWEEP.max(2 * self.in_use.len());
        }
        self.in_use.insert(key, place);
    }
}

impl Place {
    fn take_turn(&mut self, handler: &'static str) -> Result<Checkout, Arc<AsyncMutex<Slot>>> {
        let turn = self.slot.clone().try_lock_owned();
        if turn.is_ok() {
            self.holder = Some(handler);
        }
        turn.map_err(|_| self.slot.clone())
    }

    /// Whether a decision has it or waits for it.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.slot) > 1
    }
}
