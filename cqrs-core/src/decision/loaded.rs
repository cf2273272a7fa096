use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hashbrown::HashSet;

use super::cache::StateCache;
use super::load::{Load, TagIndex};
use super::pending::{AppendCompletion, Pending};
use crate::error::Failure;
use crate::message::{ReadBack, Storage};
use crate::store::{
    Append, AppendError, AppendToken, Appended, Boundary, Capabilities, EventData, EventLog,
    EventQuery, Incarnation, Limits, Metadata, Position, Recorded, StateWrite,
};
use crate::{CommandId, EventId};

/// The aggregates of a decision, each as of a position of its own. The append checks that no event
/// has concerned any of them since.
///
/// On drop, the aggregates' turns end, and states that are still valid return to the cache. That
/// holds however the decision ends, even if its future is dropped halfway.
pub(super) struct Loaded<'a> {
    pub(super) loads: Vec<Load>,
    /// Whether every state was compared with the log since it left the cache.
    pub(super) is_newest: bool,
    cache: &'a StateCache,
    offers: &'a Offers,
}

/// The capabilities of the log that matter to each decision.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for a promise of its own"
)]
pub(super) struct Offers {
    /// Whether the log stores states.
    states: bool,
    /// Whether an append may follow one in flight.
    pipelining: bool,
    /// Whether an append may have boundaries at several positions.
    several_boundaries: bool,
    /// Whether the log may refuse decisions in advance.
    pub(super) admission: bool,
    /// Maximum sizes of an append.
    pub(super) limits: Limits,
}

impl From<Capabilities<'_>> for Offers {
    fn from(capabilities: Capabilities<'_>) -> Self {
        Self {
            states: capabilities.states.is_some(),
            pipelining: capabilities.pipelining,
            several_boundaries: capabilities.several_boundaries,
            admission: capabilities.admission.is_some(),
            limits: capabilities.limits,
        }
    }
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        for load in &mut self.loads {
            self.cache.check_in(load);
        }
    }
}

impl<'a> Loaded<'a> {
    pub(super) fn new(loads: Vec<Load>, cache: &'a StateCache, offers: &'a Offers) -> Self {
        Self {
            loads,
            is_newest: false,
            cache,
            offers,
        }
    }

    /// Completes the append of a decision: its boundaries, and the states to write. Folds the
    /// events, since an event that cannot be folded must not be recorded.
    pub(super) fn complete(
        &mut self,
        append: &mut Append,
        read_back: &ReadBack,
        handler: &'static str,
    ) -> Result<(), Failure> {
        append.boundaries = self.boundaries();
        self.fold_ahead(append, read_back, handler)?;
        append.states = self.state_writes(append, handler)?;
        Ok(())
    }

    /// Appends the events. If the store does not answer at once, the next decisions about the same
    /// aggregates continue from the states with these events; the store writes them together with
    /// this append or right after it.
    pub(super) async fn append(
        &mut self,
        store: &dyn EventLog,
        mut append: Box<Append>,
    ) -> Result<Appended, AppendError> {
        let token = self.can_pipeline(&append).then(AppendToken::new);
        let command = append.command;
        append.token = token;
        let mut in_flight = store.append(*append);
        // The first poll puts the append into the store's queue. Only then may the states be
        // published: an append that depends on this one has to come after it in the queue.
        let begun = poll_fn(|context| Poll::Ready(in_flight.as_mut().poll(context)));
        if let Poll::Ready(outcome) = begun.await {
            return outcome;
        }
        let completion = token.map(|token| self.publish_speculative(token, command));
        let outcome = in_flight.await;
        // The events of an earlier sending may differ from those in the states. On any other
        // outcome, the completion is dropped, which reports the published states as wrong to their
        // decisions.
        if let (Some(completion), Ok(appended)) = (completion, &outcome)
            && !appended.replayed
        {
            completion.complete(appended.last);
        }
        outcome
    }

    /// Updates the states once their events are recorded. The boundaries held, so no other event
    /// that concerns them lies before the recorded ones.
    pub(super) fn recorded(&mut self, appended: Appended) {
        self.drop_unread();
        // The events of an earlier sending may differ from those in the states, which stay dirty.
        if appended.replayed || appended.count == 0 {
            return;
        }
        for load in &mut self.loads {
            // It was folded with the lowest position and time that the events could get. The
            // recorded ones may be higher, so the state stays dirty, and is read again.
            if load.is_dirty && load.aggregate.reads_recorded {
                continue;
            }
            let state = &mut load.state;
            // `state_writes` has set the count to 0 if this append writes the state, and only then.
            let is_written = load.aggregate.storage != Storage::Events && state.events == 0;
            if load.is_dirty && is_written {
                state.stored = Some(appended.last);
            }
            state.up_to = appended.last;
            // The boundary followed the pending append, so that one is recorded, too.
            state.pending = None;
            load.is_dirty = false;
        }
    }

    /// Marks all states as unusable, after a handler that had them panicked. Fallbacks are dropped as well: a copy
    /// may share what the handler has left in any condition.
    pub(super) fn spoil(&mut self) {
        for load in &mut self.loads {
            load.is_dirty = true;
            if let Some(slot) = &mut load.checkout {
                slot.fallback = None;
            }
        }
    }

    /// Removes aggregates that were loaded only because an event concerned them.
    pub(super) fn drop_unread(&mut self) {
        self.loads.retain(|load| !load.inputs.is_empty());
    }

    /// Whether a state has events that are not recorded yet.
    pub(super) fn is_speculative(&self) -> bool {
        self.loads.iter().any(|load| load.state.pending.is_some())
    }

    /// Whether every state is as of this position or later, without appends in flight.
    pub(super) fn includes(&self, position: Position) -> bool {
        self.loads.iter().all(|load| load.state.up_to >= position)
    }

    /// Whether one more event makes a snapshot due.
    pub(super) fn is_snapshot_near(&self) -> bool {
        self.offers.states
            && self.loads.iter().any(|load| match load.aggregate.storage {
                Storage::Snapshots { every } => load.state.events.saturating_add(1) >= every,
                Storage::Events | Storage::State => false,
            })
    }

    /// Whether the log takes one boundary, and the states are as of several positions.
    pub(super) fn has_too_many_positions(&self) -> bool {
        let mut groups = self.loads.chunk_by(|a, b| end(a) == end(b));
        !self.offers.several_boundaries && groups.nth(1).is_some()
    }

    /// Waits for the outcome of appends whose events are in the states. Returns whether one of them
    /// failed, or has an unknown outcome. States with its events are reset.
    pub(super) async fn await_pending(&mut self, store: &dyn EventLog, limit: Duration) -> bool {
        let mut has_failed = false;
        for load in &mut self.loads {
            // The state keeps it during the wait: if this future is dropped, the state returns to
            // the cache with its pending append.
            let Some(pending) = load.state.pending.clone() else {
                continue;
            };
            let last = pending.outcome(store, limit).await;
            load.state.pending = None;
            if let Some(last) = last {
                // Its boundary held, so no other event that concerns the aggregate lies before
                // `last`.
                load.state.up_to = last;
                load.seen = last;
            } else {
                has_failed = true;
                load.fall_back();
                if let Some(slot) = &mut load.checkout {
                    slot.suspend_pipelining();
                }
            }
        }
        has_failed
    }

    /// One boundary for all aggregates with the same position. Aggregates that were loaded only
    /// because an event concerns them are included: their new states depend on the old ones.
    fn boundaries(&mut self) -> Vec<Boundary> {
        self.loads.sort_by_key(end);
        // Most decisions are about one aggregate.
        let mut boundaries = Vec::with_capacity(self.loads.len().min(1));
        for loads in self.loads.chunk_by_mut(|a, b| end(a) == end(b)) {
            boundaries.extend(boundary(loads));
        }
        boundaries
    }

    /// Folds the events before they are appended. The states that they concern are dirty until the
    /// events are recorded.
    ///
    /// An `#[apply]` that takes `&Recorded` gets one with the lowest position and time that the
    /// event can have.
    fn fold_ahead(
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
                // Before the fold, which may fail halfway.
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
    fn state_writes(
        &mut self,
        append: &Append,
        handler: &'static str,
    ) -> Result<Vec<StateWrite>, Failure> {
        let limits = &self.offers.limits;
        let is_due =
            |load: &Load| load.is_dirty && (load.stores_every_state() || load.is_snapshot_due());
        let mut writes = Vec::new();
        if !self.offers.states || !self.loads.iter().any(is_due) {
            return Ok(writes);
        }
        // An append writes a key once, so of two types with the same name only the first one is
        // written.
        let mut written = HashSet::new();
        let mut bytes = append.bytes();
        for load in self.loads.iter_mut().filter(|load| is_due(load)) {
            let is_snapshot = load.is_snapshot_due();
            if written.contains(&load.key.tags) {
                continue;
            }
            // A snapshot only saves time, so one that cannot be written is left out.
            let body = match load.state.value.save(&load.key.tags, handler) {
                Err(Failure::Handler { .. }) if is_snapshot => None,
                saved => saved?,
            };
            let fitting = body.filter(|body| {
                let size = body.len();
                let fits = size <= limits.payload && bytes.saturating_add(size) <= limits.append;
                fits || !is_snapshot
            });
            let Some(body) = fitting else {
                // Not retried with the very next event, but when the next snapshot is due.
                load.state.events = 1;
                continue;
            };
            load.state.events = 0;
            bytes = bytes.saturating_add(body.len());
            written.insert(load.key.tags.clone());
            writes.push(StateWrite {
                key: load.state_key(),
                body,
                // If another process has replaced the stored state since, the append is a conflict.
                based_on: load.state.stored,
            });
        }
        Ok(writes)
    }

    /// Whether the states may be published before the append is answered. The log has to let the
    /// next append follow this one, all states have to belong to the cache, and the new states must
    /// depend on the events alone.
    fn can_pipeline(&self, append: &Append) -> bool {
        let is_cached = self.cache.is_enabled() && !self.loads.is_empty();
        // A written state has its append's position, which is not known before the answer.
        let writes_events_only = !append.events.is_empty() && append.states.is_empty();
        self.offers.pipelining
            && is_cached
            && writes_events_only
            && self.loads.iter().all(|load| {
                let slot = load.checkout.as_ref();
                slot.is_some_and(|slot| slot.allows_pipelining()) && !load.aggregate.reads_recorded
            })
    }

    /// Returns the states to the cache as if the append in flight had succeeded, and ends the
    /// aggregates' turns. An append that is based on these states names this one's token, so that
    /// the store refuses it if this one fails.
    fn publish_speculative(&mut self, token: AppendToken, command: CommandId) -> AppendCompletion {
        let (pending, completion) = Pending::new(token, command);
        for mut load in self.loads.drain(..) {
            // A state without new events is valid for every outcome of the append.
            if load.is_dirty {
                load.state.pending = Some(pending.clone());
                load.is_dirty = false;
            }
            self.cache.check_in(&mut load);
        }
        completion
    }
}

/// The place in the log where the boundary of an aggregate begins.
fn end(load: &Load) -> (Incarnation, Position, Option<AppendToken>) {
    let after_append = load.state.pending.as_ref().map(Pending::token);
    (load.state.incarnation, load.state.up_to, after_append)
}

/// The boundary of aggregates that have the same end. `None` without any.
fn boundary(loads: &mut [Load]) -> Option<Boundary> {
    let (incarnation, after, after_append) = end(loads.first()?);
    let fail_if = match loads {
        [load] => load.query(),
        loads => Arc::new(EventQuery::Items(loads.iter().map(Load::item).collect())),
    };
    let boundary = Boundary::new(fail_if, after).incarnation(incarnation);
    Some(match after_append {
        Some(token) => boundary.after_append(token),
        None => boundary,
    })
}

impl Load {
    /// The record of an event of the append, with the lowest position and time that it can get.
    pub(super) fn provisional(
        &self,
        append: &Append,
        number: usize,
        event: &EventData,
    ) -> Recorded {
        Recorded {
            position: self.state.up_to.plus(number as u64 + 1),
            data: event.clone(),
            meta: Metadata {
                id: EventId::of(append.command, number),
                time: append.time.max(self.state.value.time()),
                actor: append.actor.clone(),
                command: append.command,
                correlation: append.correlation,
                causation: append.causation,
                custom: append.metadata.clone(),
            },
        }
    }

    /// Whether a snapshot is due, once the events are recorded.
    fn is_snapshot_due(&self) -> bool {
        match self.aggregate.storage {
            // With an append in flight, the position of the stored state is not known.
            Storage::Snapshots { every } => {
                self.state.events >= every && self.state.pending.is_none()
            }
            Storage::Events | Storage::State => false,
        }
    }
}
