use std::any::TypeId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::aggregate::AggregateState;
use super::entries::Entries;
use super::load::Load;
use super::pending::{AppendStatus, Pending};
use super::weight::Weight;
use crate::error::Failure;
use crate::store::{BoxFuture, EventStore, Incarnation, Position, Store, Tags};

/// The states of aggregates that were decided about lately, and the turns of those that are being
/// decided about: within a process one decision about an aggregate is made at a time, the others
/// wait for it.
///
/// A state that is behind the log does no harm: an append checks its boundary, and a rejection that
/// was made on such a state is made again on the newest one. Turns keep decisions of one process
/// from conflicting with each other, and from reading the same events at the same time.
pub(crate) struct StateCache {
    entries: Mutex<Entries>,
    is_enabled: bool,
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

/// An aggregate: its type, since two types may have one name in different modules, and its tags.
pub(super) type Key = (TypeId, Tags);

/// The turn of one aggregate, with its state. The state is there while nobody decides, unless the
/// last decision did not end well.
#[derive(Default)]
pub(crate) struct StateSlot {
    cached: Option<CachedState>,
    /// An append that the next decision must wait for before it reads the log: it is under way, and
    /// the state that had its events is lost.
    awaited: Option<Pending>,
    /// How many decisions are still to wait for the answer of the one before.
    suspended_for: u8,
}

/// As the fields of [`Load`] that have the same names.
struct CachedState {
    state: AggregateState,
    up_to: Position,
    incarnation: Incarnation,
    pending: Option<Pending>,
    stored: Option<Position>,
    folded: u32,
    weight: Weight,
}

/// A slot that a decision has to itself.
pub(crate) type Checkout = OwnedMutexGuard<StateSlot>;

/// After a state was passed on whose events were not recorded in the end, as many decisions about
/// the aggregate each wait for the one before: another process writes to it, too.
const PIPELINING_SUSPENSION: u8 = 64;

impl StateSlot {
    /// Whether a state may be passed on before its events are recorded.
    pub(super) fn allows_pipelining(&self) -> bool {
        self.suspended_for == 0
    }

    /// Such a state was wrong.
    pub(super) fn suspend_pipelining(&mut self) {
        self.suspended_for = PIPELINING_SUSPENSION;
    }

    /// What is there, unless it turned out to be wrong.
    fn take(&mut self) -> Option<CachedState> {
        let mut cached = self.cached.take()?;
        match cached.pending.as_ref().map(Pending::status) {
            None | Some(AppendStatus::InFlight) => {}
            Some(AppendStatus::Recorded(last)) => {
                cached.up_to = last;
                cached.pending = None;
            }
            Some(AppendStatus::Lost) => {
                self.suspend_pipelining();
                return None;
            }
        }
        Some(cached)
    }
}

impl StateCache {
    /// Keeps at most so many states, with so many bytes.
    pub(crate) fn new(capacity: usize, bytes: usize) -> Self {
        Self {
            entries: Mutex::new(Entries::new(capacity, bytes)),
            is_enabled: capacity > 0,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Takes the aggregate's turn, and its state, if it is there. The future is for what has to be
    /// waited for first, at most this long, if anything has: without it, a command's own future is
    /// small.
    pub(super) fn check_out<'a>(
        &'a self,
        load: &'a mut Load,
        handler: &'static str,
        store: &'a dyn Store,
        limit: Duration,
    ) -> Option<BoxFuture<'a, Result<(), Failure>>> {
        let taken = self.entries().take_turn(&key(load), handler);
        let turn = match taken {
            Ok(slot) => {
                let pending = self.take(load, slot, store)?;
                return Some(Box::pin(async move {
                    await_pending(load, pending, store, limit).await;
                    Ok(())
                }));
            }
            Err(turn) => turn,
        };
        Some(Box::pin(async move {
            let slot = self.wait(turn, load, handler, limit).await?;
            if let Some(pending) = self.take(load, slot, store) {
                await_pending(load, pending, store, limit).await;
            }
            Ok(())
        }))
    }

    /// Takes the state of the aggregate, whose turn it is. Returns the append that has to come to its
    /// end before the aggregate is read, if there is one.
    fn take(&self, load: &mut Load, mut slot: Checkout, store: &dyn Store) -> Option<Pending> {
        let incarnation = EventStore::incarnation(store);
        let cached = slot.take().filter(|it| it.incarnation == incarnation);
        if !load.stores_every_state() {
            let count = match cached {
                Some(_) => &self.hits,
                None => &self.misses,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        let awaited = match cached {
            Some(cached) => {
                load.state = cached.state;
                load.up_to = cached.up_to;
                load.incarnation = cached.incarnation;
                load.seen = cached.up_to;
                load.stored = cached.stored;
                load.folded = cached.folded;
                load.pending = cached.pending;
                load.weight = cached.weight;
                None
            }
            None => slot.awaited.clone(),
        };
        load.checkout = Some(slot);
        awaited
    }

    async fn wait(
        &self,
        turn: Arc<AsyncMutex<StateSlot>>,
        load: &Load,
        handler: &'static str,
        limit: Duration,
    ) -> Result<Checkout, Failure> {
        let turn = timeout(limit, turn.lock_owned()).await;
        let mut entries = self.entries();
        match turn {
            Ok(slot) => {
                entries.note_holder(&key(load), handler);
                Ok(slot)
            }
            Err(_) => Err(Failure::Busy {
                aggregate: load.tags.clone(),
                handler: entries.holder(&key(load)),
                waited: limit,
            }),
        }
    }

    /// Ends the aggregate's turn, and keeps its state for the next one if it is one.
    pub(crate) fn check_in(&self, mut load: Load) {
        let Some(mut slot) = load.checkout.take() else {
            return;
        };
        if load.is_dirty {
            slot.awaited = load.pending;
            return;
        }
        let is_read = load.up_to > Position::START || load.pending.is_some();
        if !self.is_enabled || !is_read || load.stores_every_state() {
            return;
        }
        let bytes = load.weight.of(|| load.state.size());
        slot.suspended_for = slot.suspended_for.saturating_sub(1);
        if self.entries().keep(&key(&load), &slot, bytes) {
            slot.cached = Some(CachedState {
                state: load.state,
                up_to: load.up_to,
                incarnation: load.incarnation,
                pending: load.pending,
                stored: load.stored,
                folded: load.folded,
                weight: load.weight,
            });
        } else {
            slot.awaited = load.pending;
        }
    }

    /// Whether states stay for the next decisions.
    pub(super) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    pub(crate) fn health(&self) -> StateCacheHealth {
        StateCacheHealth {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.entries().bytes(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(load: &Load) -> Key {
    ((load.aggregate.type_id)(), load.tags.clone())
}

/// Waits until an append has come to its end. It stays in the aggregate's slot until then, for the
/// next one if this is dropped.
async fn await_pending(load: &mut Load, pending: Pending, store: &dyn Store, limit: Duration) {
    pending.outcome(store, limit).await;
    if let Some(slot) = &mut load.checkout {
        slot.awaited = None;
    }
}
