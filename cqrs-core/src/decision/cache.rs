use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::entries::Entries;
use super::load::{FoldedState, Load};
use super::pending::{AppendStatus, Pending};
use crate::error::Failure;
use crate::store::{BoxFuture, EventLog, Incarnation};

/// The states of recent decisions, and the turns of their aggregates: a process makes one decision
/// about an aggregate at a time, and the others wait for their turn.
///
/// Neither is needed for correctness. A state may be behind the log: the append checks its
/// boundary, and a rejection based on a cached state is decided again on the newest one. Turns keep
/// the decisions of one process from conflicting with each other and from reading the same events
/// at the same time.
pub(super) struct StateCache {
    entries: Mutex<Entries>,
    is_enabled: bool,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Effectiveness of the state cache since the dispatcher was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCacheHealth {
    /// Number of states that a decision found in memory.
    pub hits: u64,
    /// Number of states that a decision had to read from the store.
    pub misses: u64,
    /// Approximate size of the states in memory, in bytes.
    pub bytes: usize,
}

/// The turn of one aggregate, and its state. The holder of the lock has the turn.
#[derive(Default)]
pub(super) struct StateSlot {
    /// `None` while a decision has the state, and after a decision that left it dirty.
    cached: Option<FoldedState>,
    /// The state as it was read last, without any event that was decided since. The next read starts there, if the
    /// cached state has turned out to be wrong.
    pub(super) fallback: Option<Box<FoldedState>>,
    /// Whether a decision has lost: its events were not recorded, or its handler panicked. Only then is a fallback kept.
    pub(super) has_lost: bool,
    /// An append in flight whose events were in a state that was dropped. The next decision waits
    /// for it before it reads the log; otherwise it would miss these events and conflict with them.
    awaited: Option<Pending>,
    /// Number of decisions that may not publish their states before the store has answered.
    suspended_for: u8,
    /// The number of the last suspension, if no published state has turned out to be right since.
    last_suspension: u8,
}

/// A slot, locked by the decision that has the turn.
pub(super) type SlotGuard = OwnedMutexGuard<StateSlot>;

/// Maximum number of decisions about an aggregate that wait for the store after a published state has
/// turned out to be wrong: another process writes to the same aggregate, and may make more of them
/// wrong. The first suspension is of one decision, and each one after that doubles the last.
const MAX_SUSPENSION: u8 = 64;

impl StateSlot {
    /// Whether a state may be published before its events are recorded.
    pub(super) fn allows_pipelining(&self) -> bool {
        self.suspended_for == 0
    }

    /// Suspends pipelining, after a published state turned out to be wrong.
    pub(super) fn suspend_pipelining(&mut self) {
        self.last_suspension = (self.last_suspension * 2).clamp(1, MAX_SUSPENSION);
        self.suspended_for = self.last_suspension;
    }

    /// Moves the state to the load, and returns whether there is one: a state of another incarnation
    /// is dropped, and so is one with an append that has failed.
    fn take(&mut self, load: &mut Load, incarnation: Incarnation) -> bool {
        let Some(cached) = &mut self.cached else {
            return false;
        };
        let status = cached.pending.as_ref().map(Pending::status);
        if let Some(AppendStatus::Recorded(last)) = status {
            cached.up_to = last;
            cached.pending = None;
            self.last_suspension = 0;
        }
        // The decision builds on an append in flight. Its own append names that one's token, so it
        // is recorded only if that one is. After a lost one, the state may have events that were
        // never recorded.
        let is_lost = matches!(status, Some(AppendStatus::Lost));
        // A replaced log may lack events of the state, or have others at their positions.
        let is_valid = !is_lost && cached.incarnation == incarnation;
        if is_valid {
            mem::swap(&mut load.state, cached);
        }
        self.cached = None;
        if is_lost {
            self.has_lost = true;
            self.suspend_pipelining();
        }
        is_valid
    }
}

impl StateCache {
    /// Creates a cache of at most `capacity` states and `bytes` bytes.
    pub(super) fn new(capacity: usize, bytes: usize) -> Self {
        Self {
            entries: Mutex::new(Entries::new(capacity, bytes)),
            is_enabled: capacity > 0,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Takes the aggregate's turn, and its state if there is one. Returns a future only if the
    /// decision has to wait for its turn or for an append in flight, for at most `limit` each. That
    /// is rare, so the future of most commands need not contain this one.
    pub(super) fn check_out<'a>(
        &'a self,
        load: &'a mut Load,
        handler: &'static str,
        store: &'a dyn EventLog,
        limit: Duration,
    ) -> Option<BoxFuture<'a, Result<(), Failure>>> {
        let taken = self.entries().take_turn(&load.key, handler);
        let awaited = match taken {
            // `?` returns here, without a future, if no append has to be awaited.
            Ok(slot) => Ok(self.take(load, slot, store)?),
            Err(turn) => Err(turn),
        };
        Some(Box::pin(async move {
            let awaited = match awaited {
                Ok(pending) => Some(pending),
                Err(turn) => {
                    let slot = self.wait(turn, load, handler, limit).await?;
                    self.take(load, slot, store)
                }
            };
            if let Some(pending) = awaited {
                pending.outcome(store, limit).await;
                // Cleared after the wait: if this future is dropped, the next decision has to wait,
                // too.
                if let Some(slot) = &mut load.checkout {
                    slot.awaited = None;
                }
            }
            Ok(())
        }))
    }

    /// Moves the state from the slot to the load. Returns the append that has to end before the
    /// aggregate is read, if there is one.
    fn take(&self, load: &mut Load, mut slot: SlotGuard, store: &dyn EventLog) -> Option<Pending> {
        let is_cached = slot.take(load, store.heads().incarnation());
        // States that every append writes are never cached: each would count as a miss.
        if !load.stores_every_state() {
            let count = if is_cached { &self.hits } else { &self.misses };
            count.fetch_add(1, Ordering::Relaxed);
        }
        let awaited = if is_cached {
            load.seen = load.state.up_to;
            None
        } else {
            slot.awaited.clone()
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
    ) -> Result<SlotGuard, Failure> {
        // The entries are locked only after the wait, since every decision needs them.
        let turn = timeout(limit, turn.lock_owned()).await;
        let mut entries = self.entries();
        match turn {
            Ok(slot) => {
                entries.note_holder(&load.key, handler);
                Ok(slot)
            }
            Err(_) => Err(Failure::Busy {
                aggregate: load.key.tags.clone(),
                handler: entries.holder(&load.key),
                waited: limit,
            }),
        }
    }

    /// Ends the aggregate's turn, and keeps its state for the next decision if it is valid.
    pub(super) fn check_in(&self, load: &mut Load) {
        let Some(mut slot) = load.checkout.take() else {
            return;
        };
        // The state may have events that were not recorded, so it is dropped. The next decision
        // reads the log, after the append in flight that this one had built on.
        if load.is_dirty {
            slot.awaited = load.state.pending.take();
            slot.has_lost = true;
            let bytes = slot
                .fallback
                .as_mut()
                .map_or(0, |fallback| fallback.bytes());
            if !self.entries().keep(&load.key, &slot, bytes) {
                slot.fallback = None;
            }
            return;
        }
        // States that every append writes are read from the store, together with their positions.
        if !self.is_enabled || !load.state.is_read() || load.stores_every_state() {
            return;
        }
        // Outside of the entries' lock, since it may run the user's `Serialize`.
        let state_size = load.state.bytes();
        // A fallback is about as large.
        let bytes = state_size.saturating_mul(1 + usize::from(slot.fallback.is_some()));
        slot.suspended_for = slot.suspended_for.saturating_sub(1);
        if self.entries().keep(&load.key, &slot, bytes) {
            let unread = FoldedState::unread(load.aggregate);
            slot.cached = Some(mem::replace(&mut load.state, unread));
        } else {
            // Dropped for lack of room: as with a dirty state.
            slot.fallback = None;
            slot.awaited = load.state.pending.take();
        }
    }

    /// Whether states are kept between decisions.
    pub(super) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    pub(super) fn health(&self) -> StateCacheHealth {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_state_doubles_the_number_of_decisions_that_wait() {
        let mut slot = StateSlot::default();
        assert!(slot.allows_pipelining());
        let suspensions = [1, 2, 4, 8, 16, 32, 64, 64, 64].map(|expected| {
            slot.suspend_pipelining();
            (slot.suspended_for, expected)
        });
        for (suspension, expected) in suspensions {
            assert_eq!(suspension, expected);
        }
        assert!(!slot.allows_pipelining());
    }
}
