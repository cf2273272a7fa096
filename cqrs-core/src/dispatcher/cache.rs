use std::any::TypeId;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::Weight;
use super::pending::{Known, Pending};
use crate::handler::{AnyState, Load};
use crate::store::{Position, Tag};

/// How long a decision waits for another one about the same aggregate. Waiting is a courtesy, not
/// a lock: after that it is made all the same, and the boundary decides.
pub(super) const QUEUE: Duration = Duration::from_secs(1);

/// The states of aggregates that were decided about lately, and the place where decisions about
/// one aggregate wait for each other instead of overtaking each other again and again.
///
/// A state that is behind the log does no harm: an append checks its boundary, and a rejection
/// that was made on such a state is made again on the newest one.
pub(crate) struct StateCache {
    places: Mutex<Places>,
    keeps: bool,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often a decision found its aggregate's state in memory, since the dispatcher was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCacheHealth {
    /// It was there: nothing was read.
    pub hits: u64,
    /// It was not, and was read from the store.
    pub misses: u64,
    /// How many bytes the states in memory have, about.
    pub bytes: usize,
}

/// The slots, the one that was used last first.
struct Places {
    slots: LruCache<Key, Place>,
    /// Of all of them.
    bytes: usize,
    most: usize,
}

struct Place {
    slot: Arc<AsyncMutex<Slot>>,
    /// Of the state that was put there last.
    bytes: usize,
}

/// An aggregate: its type, since two types may bear one name in different modules, and its tag.
type Key = (TypeId, Tag);

/// The state of one aggregate with the position that it has all events up to; empty while a
/// decision has it, and after one that did not end well.
#[derive(Default)]
pub(crate) struct Slot {
    cached: Option<Cached>,
    /// How many decisions are still to wait for the answer of the one before.
    caution: u8,
}

/// As the fields of [`Load`] that have the same names.
struct Cached {
    state: Box<dyn AnyState>,
    up_to: Position,
    pending: Option<Pending>,
    stored: Option<Position>,
    folded: u32,
    weight: Weight,
}

/// A slot that a decision has to itself.
pub(crate) type Checkout = OwnedMutexGuard<Slot>;

/// How many decisions may wait for one another when no states are kept.
const PLACES: usize = 1024;

/// After a state was passed on whose events were not recorded in the end, as many decisions about
/// the aggregate each wait for the one before: another process writes to it, too.
const CAUTION: u8 = 64;

impl Slot {
    /// Whether a state may be passed on before its events are recorded.
    pub(super) fn is_trusting(&self) -> bool {
        self.caution == 0
    }

    /// Such a state was wrong.
    pub(super) fn warn(&mut self) {
        self.caution = CAUTION;
    }

    /// What is there, unless it turned out to be wrong.
    fn take(&mut self) -> Option<Cached> {
        let mut cached = self.cached.take()?;
        match cached.pending.as_ref().map(Pending::known) {
            None | Some(Known::UnderWay) => {}
            Some(Known::Recorded(last)) => (cached.up_to, cached.pending) = (last, None),
            Some(Known::Lost) => {
                self.warn();
                return None;
            }
        }
        Some(cached)
    }
}

impl StateCache {
    /// Keeps at most so many states, with so many bytes.
    pub(crate) fn new(capacity: usize, bytes: usize) -> Self {
        let places = NonZeroUsize::new(capacity).or(NonZeroUsize::new(PLACES));
        Self {
            places: Mutex::new(Places {
                slots: LruCache::new(places.unwrap_or(NonZeroUsize::MIN)),
                bytes: 0,
                most: bytes,
            }),
            keeps: capacity > 0,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Waits for the aggregate's turn and takes its state, if it is there.
    pub(crate) async fn check_out(&self, load: &mut Load) {
        let slot = self.places().slot(load);
        let slot = match slot.clone().try_lock_owned() {
            Ok(slot) => Ok(slot),
            // What is rare is boxed: a command's future is small as long as nothing is in its way.
            Err(_) => Box::pin(timeout(QUEUE, slot.lock_owned())).await,
        };
        let Ok(mut slot) = slot else { return };
        let cached = slot.take();
        let count = if cached.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(cached) = cached {
            (load.state, load.up_to) = (cached.state, cached.up_to);
            (load.stored, load.folded) = (cached.stored, cached.folded);
            (load.pending, load.weight) = (cached.pending, cached.weight);
        }
        load.checkout = Some(slot);
    }

    /// Puts the state back.
    pub(crate) fn check_in(&self, mut load: Load) {
        if let Some(mut slot) = load.checkout.take()
            && self.keeps
        {
            let bytes = load.weight.of(&*load.state);
            self.places().weigh(&load, &slot, bytes);
            slot.caution = slot.caution.saturating_sub(1);
            slot.cached = Some(Cached {
                state: load.state,
                up_to: load.up_to,
                pending: load.pending,
                stored: load.stored,
                folded: load.folded,
                weight: load.weight,
            });
        }
    }

    /// Whether states stay for the next decisions.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    pub(crate) fn health(&self) -> StateCacheHealth {
        StateCacheHealth {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.places().bytes,
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn slot(&mut self, load: &Load) -> Arc<AsyncMutex<Slot>> {
        let key = key(load);
        if let Some(place) = self.slots.get(&key) {
            return place.slot.clone();
        }
        let slot = Arc::<AsyncMutex<Slot>>::default();
        let place = Place {
            slot: slot.clone(),
            bytes: 0,
        };
        if let Some((_, gone)) = self.slots.push(key, place) {
            self.bytes -= gone.bytes;
        }
        slot
    }

    /// Notes how many bytes the state has that is put into the slot, and lets those go that were
    /// not used for longest, until there is room for all.
    fn weigh(&mut self, load: &Load, slot: &Checkout, bytes: usize) {
        let place = self.slots.peek_mut(&key(load));
        let place = place.filter(|it| Arc::ptr_eq(&it.slot, Checkout::mutex(slot)));
        let Some(place) = place else {
            // It was let go meanwhile: what is put there ends with its last user.
            return;
        };
        self.bytes = self.bytes - place.bytes + bytes;
        place.bytes = bytes;
        while self.bytes > self.most
            && let Some((_, gone)) = self.slots.pop_lru()
        {
            self.bytes -= gone.bytes;
        }
    }
}

fn key(load: &Load) -> Key {
    ((load.aggregate.type_id)(), load.tag.clone())
}
