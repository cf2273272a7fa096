use std::iter::from_fn;
use std::sync::Arc;

use hashbrown::HashMap;

use super::aggregate::AggregateState;
use super::aggregate_key::AggregateKey;
use super::cache::SlotGuard;
use super::pending::Pending;
use super::size::SizeEstimate;
use crate::error::Failure;
use crate::handler::{AggregateType, Inputs, LoadRequest, LoadedState, LoadedStates};
use crate::message::{Envelope, Storage};
use crate::store::{
    EventData, EventQuery, EventQueryItem, EventType, Incarnation, Position, StateKey, StoredState,
    Tag, Tags,
};

/// An aggregate that a decision loads, and its state once it is loaded.
pub(super) struct Load {
    /// The inputs that take it. Empty if only an event concerns it.
    pub(super) inputs: Inputs,
    pub(super) aggregate: &'static AggregateType,
    pub(super) key: AggregateKey,
    pub(super) state: FoldedState,
    /// The position up to which the log was read for this aggregate. Beyond the state's `up_to`
    /// after a reset.
    pub(super) seen: Position,
    /// Whether the state has events that its `up_to` and `pending` do not cover: while it is read,
    /// and from the fold of a decision's events until they are recorded. Other decisions must not
    /// see it.
    pub(super) is_dirty: bool,
    /// The aggregate's slot in the cache, from which the state came and to which it returns.
    pub(super) checkout: Option<SlotGuard>,
}

/// A state and the part of the log that is folded into it, as the cache keeps it between decisions.
///
/// It has exactly the aggregate's events up to `up_to`, and then those of `pending`.
pub(super) struct FoldedState {
    pub(super) value: AggregateState,
    pub(super) up_to: Position,
    /// The incarnation of the log that was read.
    pub(super) incarnation: Incarnation,
    /// An append in flight whose events are folded.
    pub(super) pending: Option<Pending>,
    /// Position of the state in the store, for aggregates that have one there.
    pub(super) stored: Option<Position>,
    /// Number of events folded since the stored state, or since the first event.
    pub(super) events: u32,
    pub(super) size: SizeEstimate,
    /// The aggregate's events, once a decision about it alone has been appended.
    query: Option<Arc<EventQuery>>,
}

/// Finds the loads that an event concerns. `None` for a few loads, since comparing their tags is
/// faster than a lookup.
pub(super) struct TagIndex(Option<HashMap<Tag, Vec<usize>>>);

impl TagIndex {
    /// Maximum number of loads that are compared one by one.
    const SCAN_UP_TO: usize = 8;

    pub(super) fn new(loads: &[Load]) -> Self {
        let is_large = loads.len() > Self::SCAN_UP_TO;
        Self(is_large.then(|| {
            let mut index = HashMap::<_, Vec<_>>::with_capacity(loads.len());
            for (place, load) in loads.iter().enumerate() {
                // One tag is enough: an event that concerns the load has all of its tags.
                if let Some(first) = load.key.tags.iter().next() {
                    index.entry(first.clone()).or_default().push(place);
                }
            }
            index
        }))
    }

    /// A superset of the loads that an event with these tags concerns, each once.
    pub(super) fn candidates(&self, tags: &Tags, loads: usize) -> impl Iterator<Item = usize> {
        let mut every = 0..loads;
        // An event's tags are distinct, so the index finds a load at most once.
        let listed = self
            .0
            .iter()
            .flat_map(|index| tags.iter().filter_map(|tag| index.get(tag)));
        let mut found = listed.flatten().copied();
        // Only one of the two is asked: a look at an empty one, too, takes time for each event.
        from_fn(move || match &self.0 {
            None => every.next(),
            Some(_) => found.next(),
        })
    }
}

impl Load {
    pub(super) fn new(request: LoadRequest) -> Self {
        let LoadRequest {
            inputs,
            aggregate,
            tags,
        } = request;
        Self {
            inputs,
            aggregate,
            key: AggregateKey::new(aggregate, tags),
            state: FoldedState::unread(aggregate),
            seen: Position::START,
            is_dirty: false,
            checkout: None,
        }
    }

    /// Whether every append writes the state.
    pub(super) fn stores_every_state(&self) -> bool {
        self.aggregate.storage == Storage::State
    }

    /// Whether the store may have a state.
    pub(super) fn stores_states(&self) -> bool {
        self.aggregate.storage != Storage::Events
    }

    /// Whether both are the same aggregate. Types in different modules may have one name, and so
    /// equal tags.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Drops the state, so that the next read starts at the first event.
    pub(super) fn reset(&mut self) {
        // `seen` stays: the next read compares it with the log to find out whether anything is new.
        let state = &mut self.state;
        state.value.reset();
        state.up_to = Position::START;
        state.events = 0;
        state.size = SizeEstimate::default();
        self.is_dirty = false;
    }

    /// Drops a state with events that were not recorded. The next read starts at the fallback.
    pub(super) fn fall_back(&mut self) {
        self.reset();
        if let Some(slot) = &mut self.checkout {
            slot.has_lost = true;
        }
        self.take_fallback();
    }

    /// Takes the fallback of the slot, if there is one, in place of a state that is not read.
    pub(super) fn take_fallback(&mut self) {
        let slot = self.checkout.as_mut();
        if let Some(fallback) = slot.and_then(|slot| slot.fallback.take()) {
            self.state = *fallback;
        }
    }

    /// Keeps a copy of the state, which was just read, for decisions that lose. A decision that has not lost before
    /// needs none.
    pub(super) fn keep_fallback(&mut self) {
        // States that every append writes are read from the store.
        if self.stores_every_state() {
            return;
        }
        if let Some(slot) = self.checkout.as_mut().filter(|slot| slot.has_lost) {
            slot.fallback = self.state.copy().map(Box::new);
        }
    }

    /// Key of the stored state. An aggregate with stored states has one tag.
    pub(super) fn state_key(&self) -> StateKey {
        let id = self.key.tags.iter().next().map_or("", Tag::id);
        StateKey {
            aggregate: self.aggregate.name,
            id: id.to_owned(),
        }
    }

    /// [`item`](Load::item) as a query. The cache keeps it with the state.
    pub(super) fn query(&mut self) -> Arc<EventQuery> {
        if let Some(query) = &self.state.query {
            return query.clone();
        }
        let query = Arc::new(EventQuery::Items(vec![self.item()]));
        self.state.query.insert(query).clone()
    }

    /// The events that the aggregate folds.
    pub(super) fn item(&self) -> EventQueryItem {
        let types = self.aggregate.events.iter();
        EventQueryItem {
            types: types.copied().map(EventType::new).collect(),
            tags: self.key.tags.as_slice().to_vec(),
        }
    }

    /// Takes a stored state. One that does not fit the type any more is ignored: the state is
    /// folded from the log instead, and the next write replaces the stored one.
    pub(super) fn restore_from(&mut self, stored: Option<StoredState>) -> Result<(), Failure> {
        let state = &mut self.state;
        // Also for a stored state that is not used: the next write names the position that it
        // replaces.
        state.stored = stored.as_ref().map(|stored| stored.position);
        // A stored state may be older than the one in memory, which then has less left to fold.
        if let Some(stored) = stored
            && stored.position >= state.up_to
            && state.value.restore(&stored.body)?
        {
            state.up_to = stored.position;
            // Events after the stored state count towards the next snapshot.
            state.events = 0;
            state.size = SizeEstimate::default();
        }
        Ok(())
    }

    /// Whether the aggregate folds this event.
    pub(super) fn is_concerned(&self, event: &EventData) -> bool {
        self.aggregate.folds(&event.event_type) && event.tags.contains_all(&self.key.tags)
    }

    /// Folds an event that concerns the aggregate.
    pub(super) fn fold(
        &mut self,
        event: &Envelope<'_>,
        handler: &'static str,
    ) -> Result<(), Failure> {
        let state = &mut self.state;
        // A failed fold leaves the state between two events. The callers have marked it dirty
        // before.
        state.value.apply(event, &self.key.tags, handler)?;
        state.events = state.events.saturating_add(1);
        state.size.add(event.payload.len());
        Ok(())
    }
}

impl FoldedState {
    pub(super) fn unread(aggregate: &'static AggregateType) -> Self {
        Self {
            value: AggregateState::unread(aggregate),
            up_to: Position::START,
            incarnation: Incarnation::default(),
            pending: None,
            stored: None,
            events: 0,
            size: SizeEstimate::default(),
            query: None,
        }
    }

    /// A copy without the append in flight, if the type of the state is `Clone`.
    fn copy(&self) -> Option<Self> {
        Some(Self {
            value: self.value.copy()?,
            pending: None,
            query: self.query.clone(),
            ..*self
        })
    }

    /// Approximate size in bytes. May run the user's `Serialize`.
    pub(super) fn bytes(&mut self) -> usize {
        self.size.bytes(|| self.value.size())
    }

    /// Whether there is a state that later events can be folded into.
    pub(super) fn is_read(&self) -> bool {
        // A state as of an empty log counts as unread. It has no event that a read could save.
        self.up_to > Position::START || self.pending.is_some()
    }
}

impl LoadedStates for Vec<Load> {
    fn get(&self, number: usize) -> Option<LoadedState<'_>> {
        let load = <[Load]>::get(self, number)?;
        Some(LoadedState {
            inputs: &load.inputs,
            tags: &load.key.tags,
            state: load.state.value.get(),
        })
    }
}

impl AggregateType {
    /// Whether the aggregate folds events of this type.
    pub(super) fn folds(&self, event_type: &EventType) -> bool {
        self.events.contains(&event_type.as_str())
    }
}
