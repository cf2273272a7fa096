use std::time::Duration;

use hashbrown::HashSet;

use super::cache::StateCache;
use super::load::{Load, TagIndex};
use super::pending::{AppendCompletion, Pending};
use crate::error::Failure;
use crate::message::{ReadBack, Storage};
use crate::store::{
    Append, AppendToken, Appended, Boundary, EventData, EventQuery, Limits, Metadata, Recorded,
    StateWrite, Store,
};
use crate::{CommandId, EventId};

/// The aggregates of a decision, each as of a position of its own: that nothing happened to any of
/// them since is for the append to check.
///
/// However the decision ends, also when its future is dropped, their turns end with this, and states
/// that are still right go back to the cache.
pub(crate) struct Loaded<'a> {
    pub(crate) loads: Vec<Load>,
    /// Whether the log was asked what happened to each, or a state is from the cache.
    pub(super) is_newest: bool,
    cache: &'a StateCache,
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        self.loads
            .drain(..)
            .for_each(|load| self.cache.check_in(load));
    }
}

impl<'a> Loaded<'a> {
    pub(super) fn new(loads: Vec<Load>, cache: &'a StateCache) -> Self {
        Self {
            loads,
            is_newest: false,
            cache,
        }
    }

    /// What was read, and up to where. Includes what was loaded only because an event concerned
    /// it: its new state was made from what it was.
    pub(super) fn boundaries(&mut self) -> Vec<Boundary> {
        let end = |load: &Load| {
            let after_append = load.pending.as_ref().map(Pending::token);
            (load.incarnation, load.up_to, after_append)
        };
        self.loads.sort_by_key(end);
        let groups = self.loads.chunk_by(|a, b| end(a) == end(b));
        let boundary = |loads: &[Load]| {
            let (incarnation, after, after_append) = end(loads.first()?);
            let fail_if = EventQuery::Items(loads.iter().map(Load::item).collect());
            let boundary = Boundary::new(fail_if, after).incarnation(incarnation);
            Some(match after_append {
                Some(token) => boundary.after_append(token),
                None => boundary,
            })
        };
        groups.filter_map(boundary).collect()
    }

    /// Folds the events of a decision before they are appended: what cannot be folded must not be
    /// recorded. Until they are recorded, the states that they concern are of no use to others.
    ///
    /// A fold that takes `&Recorded` gets one with the position and the time that the event will
    /// have at the earliest.
    pub(super) fn fold_ahead(
        &mut self,
        append: &Append,
        read_back: &ReadBack,
        handler: &'static str,
    ) -> Result<(), Failure> {
        if self.loads.is_empty() {
            return Ok(());
        }
        let index = TagIndex::new(&self.loads);
        for (number, event) in append.events.iter().enumerate() {
            for place in index.candidates(&event.tags, self.loads.len()) {
                let load = &mut self.loads[place];
                if !load.is_concerned(event) {
                    continue;
                }
                load.is_dirty = true;
                let envelope = read_back.envelope(number, event);
                if load.aggregate.reads_recorded {
                    let recorded = load.provisional(append, number, event);
                    load.fold(&envelope.provisional(&recorded), handler)?;
                } else {
                    load.fold(&envelope, handler)?;
                }
            }
        }
        Ok(())
    }

    /// The states to write with the events that were folded ahead: those of all aggregates with
    /// `storage = "state"`, and the snapshots that are due.
    pub(super) fn state_writes(
        &mut self,
        append: &Append,
        limits: &Limits,
        handler: &'static str,
    ) -> Result<Vec<StateWrite>, Failure> {
        let is_due =
            |load: &Load| load.is_dirty && (load.stores_every_state() || load.is_snapshot_due());
        let mut writes: Vec<StateWrite> = Vec::new();
        if !self.loads.iter().any(is_due) {
            return Ok(writes);
        }
        // An append writes a key once, so of two types of one name only the first is written.
        let mut written = HashSet::new();
        let mut bytes = append.bytes();
        for load in self.loads.iter_mut().filter(|load| is_due(load)) {
            let is_snapshot = load.is_snapshot_due();
            if written.contains(&load.tags) {
                continue;
            }
            // A snapshot saves time, no more: one that cannot be written is left out.
            let body = match load.state.save(&load.tags, handler) {
                Err(Failure::Handler { .. }) if is_snapshot => None,
                saved => saved?,
            };
            let fits = |body: &Vec<u8>| {
                body.len() <= limits.payload && bytes.saturating_add(body.len()) <= limits.append
            };
            let Some(body) = body.filter(|body| !is_snapshot || fits(body)) else {
                // The next one is not tried with the next event, but when it would be due.
                load.folded = 1;
                continue;
            };
            load.folded = 0;
            bytes = bytes.saturating_add(body.len());
            written.insert(load.tags.clone());
            writes.push(StateWrite {
                key: load.key(),
                body,
                based_on: load.stored,
            });
        }
        Ok(writes)
    }

    /// The events that were folded ahead are recorded: the boundary held, so nothing that concerns
    /// the states lies between.
    pub(super) fn recorded(&mut self, appended: Appended) {
        self.drop_unread();
        // The events of another sending of the command may be others.
        if appended.replayed || appended.count == 0 {
            return;
        }
        for load in &mut self.loads {
            // The store may have raised the events' time, and has given them their positions.
            if load.is_dirty && load.aggregate.reads_recorded {
                continue;
            }
            if load.is_dirty && load.aggregate.storage != Storage::Events && load.folded == 0 {
                load.stored = Some(appended.last);
            }
            load.up_to = appended.last;
            load.pending = None;
            load.is_dirty = false;
        }
    }

    /// Forgets the aggregates that were loaded only because an event concerned them.
    pub(super) fn drop_unread(&mut self) {
        self.loads.retain(|load| !load.inputs.is_empty());
    }

    /// Gives the states up: nobody knows whether they are still right.
    pub(super) fn spoil(&mut self) {
        for load in &mut self.loads {
            load.is_dirty = true;
        }
    }

    /// Whether a state has events that are not recorded yet.
    pub(super) fn is_speculative(&self) -> bool {
        self.loads.iter().any(|load| load.pending.is_some())
    }

    /// Whether one more event makes a snapshot due.
    pub(super) fn is_snapshot_near(&self) -> bool {
        self.loads.iter().any(|load| match load.aggregate.storage {
            Storage::Snapshots { every } => load.folded.saturating_add(1) >= every,
            Storage::Events | Storage::State => false,
        })
    }

    /// Waits until it is known what became of the events that are not recorded yet; whether a state
    /// had some that never will be, as far as one can tell. It begins anew then.
    pub(super) async fn await_pending(&mut self, store: &dyn Store, limit: Duration) -> bool {
        let mut was_wrong = false;
        for load in &mut self.loads {
            let Some(pending) = load.pending.clone() else {
                continue;
            };
            let last = pending.outcome(store, limit).await;
            load.pending = None;
            if let Some(last) = last {
                load.up_to = last;
                load.seen = last;
            } else {
                was_wrong = true;
                load.reset();
                if let Some(slot) = &mut load.checkout {
                    slot.suspend_pipelining();
                }
            }
        }
        was_wrong
    }

    /// Whether the states may be passed on before the append is answered: each comes from the cache,
    /// and what it becomes follows from the events alone.
    pub(super) fn can_pipeline(&self, append: &Append) -> bool {
        let can = |load: &Load| {
            let slot = load.checkout.as_ref();
            slot.is_some_and(|slot| slot.allows_pipelining()) && !load.aggregate.reads_recorded
        };
        let is_cached = self.cache.is_enabled() && !self.loads.is_empty();
        let writes_events_only = !append.events.is_empty() && append.states.is_empty();
        is_cached && writes_events_only && self.loads.iter().all(can)
    }

    /// Passes the states on to the next decisions as if the append that is under way had succeeded.
    /// What is written next about them follows it.
    pub(super) fn publish_speculative(
        &mut self,
        token: AppendToken,
        command: CommandId,
    ) -> AppendCompletion {
        let (pending, completion) = Pending::new(token, command);
        for mut load in self.loads.drain(..) {
            if load.is_dirty {
                load.pending = Some(pending.clone());
                load.is_dirty = false;
            }
            self.cache.check_in(load);
        }
        completion
    }
}

impl Load {
    /// The record of an event of the append, with the lowest position and time that it can get.
    fn provisional(&self, append: &Append, number: usize, event: &EventData) -> Recorded {
        Recorded {
            position: self.up_to.plus(number as u64 + 1),
            data: event.clone(),
            meta: Metadata {
                id: EventId::of(append.command, number),
                time: append.time.max(self.state.time()),
                actor: append.actor.clone(),
                command: append.command,
                correlation: append.correlation,
                causation: append.causation,
            },
        }
    }

    /// Whether a snapshot is due, once the events are recorded.
    fn is_snapshot_due(&self) -> bool {
        match self.aggregate.storage {
            // What the events before it wrote is not known yet.
            Storage::Snapshots { every } => self.folded >= every && self.pending.is_none(),
            Storage::Events | Storage::State => false,
        }
    }
}
