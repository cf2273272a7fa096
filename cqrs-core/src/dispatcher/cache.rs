use std::any::TypeId;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::handler::{AnyState, Load};
use crate::store::{Position, Tag};

/// How long a decision waits for another one about the same aggregate. Waiting is a courtesy, not
/// a lock: after that it is made all the same, and the boundary decides.
const QUEUE: Duration = Duration::from_secs(1);

/// The states of aggregates that were decided about lately, and the place where decisions about
/// one aggregate wait for each other instead of overtaking each other again and again.
///
/// A state that is behind the log does no harm: an append checks its boundary, and a rejection
/// that was made on such a state is made again on the newest one.
pub(crate) struct StateCache {
    slots: Mutex<LruCache<Key, Arc<AsyncMutex<Slot>>>>,
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
}

/// An aggregate: its type, since two types may bear one name in different modules, and its tag.
type Key = (TypeId, Tag);

/// The state of one aggregate with the position that it has all events up to; empty while a
/// decision has it, and after one that did not end well.
#[derive(Default)]
pub(crate) struct Slot(Option<Cached>);

/// As the fields of [`Load`] that have the same names.
struct Cached {
    state: Box<dyn AnyState>,
    up_to: Position,
    stored: Option<Position>,
    folded: u32,
}

/// A slot that a decision has to itself.
pub(crate) type Checkout = OwnedMutexGuard<Slot>;

/// How many decisions may wait for one another when no states are kept.
const PLACES: usize = 1024;

impl StateCache {
    /// Keeps at most so many states.
    pub(crate) fn new(capacity: usize) -> Self {
        let places = NonZeroUsize::new(capacity).or(NonZeroUsize::new(PLACES));
        Self {
            slots: Mutex::new(LruCache::new(places.unwrap_or(NonZeroUsize::MIN))),
            keeps: capacity > 0,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Waits for the aggregate's turn and takes its state, if it is there.
    pub(crate) async fn check_out(&self, load: &mut Load) {
        let slot = self.slot(load);
        let slot = match slot.clone().try_lock_owned() {
            Ok(slot) => Ok(slot),
            // What is rare is boxed: a command's future is small as long as nothing is in its way.
            Err(_) => Box::pin(timeout(QUEUE, slot.lock_owned())).await,
        };
        let Ok(mut slot) = slot else { return };
        let cached = slot.0.take();
        let count = if cached.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(cached) = cached {
            (load.state, load.up_to) = (cached.state, cached.up_to);
            (load.stored, load.folded) = (cached.stored, cached.folded);
        }
        load.checkout = Some(slot);
    }

    /// Puts the state back.
    pub(crate) fn check_in(&self, load: Load) {
        if let Some(mut slot) = load.checkout
            && self.keeps
        {
            slot.0 = Some(Cached {
                state: load.state,
                up_to: load.up_to,
                stored: load.stored,
                folded: load.folded,
            });
        }
    }

    pub(crate) fn health(&self) -> StateCacheHealth {
        StateCacheHealth {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    fn slot(&self, load: &Load) -> Arc<AsyncMutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let key = ((load.aggregate.type_id)(), load.tag.clone());
        slots.get_or_insert(key, Arc::default).clone()
    }
}
