use hashbrown::HashMap;

use super::aggregate::AggregateState;
use super::cache::Checkout;
use super::pending::Pending;
use super::weight::Weight;
use crate::error::Failure;
use crate::handler::{AggregateType, Inputs, LoadRequest, LoadedState, LoadedStates};
use crate::message::{Envelope, Storage};
use crate::store::{
    EventData, EventQueryItem, EventType, Incarnation, Position, StateKey, StoredState, Tag, Tags,
};

/// An aggregate to load, and its state once it is loaded.
pub(super) struct Load {
    /// The inputs that take it; none if only an event concerns it.
    pub(crate) inputs: Inputs,
    pub(crate) aggregate: &'static AggregateType,
    /// What its events bear: one tag, or several.
    pub(crate) tags: Tags,
    pub(crate) state: AggregateState,
    /// Position of the stored state, for aggregates that have one.
    pub(crate) stored: Option<Position>,
    /// The state has all events up to here.
    pub(crate) up_to: Position,
    /// The log that the state is from.
    pub(crate) incarnation: Incarnation,
    /// The log was read up to here; further than `up_to` once a state was given up.
    pub(crate) seen: Position,
    /// And those of an append that is under way.
    pub(crate) pending: Option<Pending>,
    /// How many events were folded since the stored state, or since the first.
    pub(crate) folded: u32,
    /// How large the state is.
    pub(crate) weight: Weight,
    /// The state has events that `up_to` and `pending` do not cover: while it is read, and from
    /// when the events of a decision are folded until they are recorded. It is of no use to others.
    pub(crate) is_dirty: bool,
    /// Where the state came from and goes back to.
    pub(crate) checkout: Option<Checkout>,
}

/// Finds the loads that an event concerns. For a few loads, to compare their tags is faster than to
/// look them up.
pub(super) struct TagIndex(Option<HashMap<Tag, Vec<usize>>>);

impl TagIndex {
    /// How many loads are looked at one by one.
    const SCAN_UP_TO: usize = 8;

    pub(super) fn new(loads: &[Load]) -> Self {
        let is_large = loads.len() > Self::SCAN_UP_TO;
        Self(is_large.then(|| {
            let mut index = HashMap::<_, Vec<_>>::with_capacity(loads.len());
            for (place, load) in loads.iter().enumerate() {
                if let Some(first) = load.tags.iter().next() {
                    index.entry(first.clone()).or_default().push(place);
                }
            }
            index
        }))
    }

    /// The loads among which are all that an event with these tags concerns.
    pub(super) fn candidates(&self, tags: &Tags, loads: usize) -> impl Iterator<Item = usize> {
        let every = if self.0.is_none() { loads } else { 0 };
        let found = self
            .0
            .iter()
            .flat_map(|index| tags.iter().filter_map(|tag| index.get(tag)));
        (0..every).chain(found.flatten().copied())
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
            tags,
            state: AggregateState::unread(aggregate),
            stored: None,
            up_to: Position::START,
            incarnation: Incarnation::default(),
            seen: Position::START,
            pending: None,
            folded: 0,
            weight: Weight::default(),
            is_dirty: false,
            checkout: None,
        }
    }

    /// Whether every append writes the state.
    pub(super) fn stores_every_state(&self) -> bool {
        self.aggregate.storage == Storage::State
    }

    /// Whether there may be a state in the store.
    pub(super) fn stores_states(&self) -> bool {
        self.aggregate.storage != Storage::Events
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.tags == other.tags && (self.aggregate.type_id)() == (other.aggregate.type_id)()
    }

    pub(super) fn reset(&mut self) {
        self.state.reset();
        self.up_to = Position::START;
        self.folded = 0;
        self.is_dirty = false;
        self.weight = Weight::default();
    }

    /// Of the stored state. An aggregate that has one has one tag.
    pub(super) fn key(&self) -> StateKey {
        let id = self.tags.iter().next().map_or("", Tag::id);
        StateKey {
            aggregate: self.aggregate.name,
            id: id.to_owned(),
        }
    }

    pub(super) fn item(&self) -> EventQueryItem {
        let types = self.aggregate.events.iter();
        EventQueryItem {
            types: types.copied().map(EventType::new).collect(),
            tags: self.tags.as_slice().to_vec(),
        }
    }

    /// Takes a stored state. One that does not fit the type any more is left aside: the log has
    /// everything to fold it anew, and the next write replaces it.
    pub(super) fn restore_from(&mut self, stored: Option<StoredState>) -> Result<(), Failure> {
        self.stored = stored.as_ref().map(|stored| stored.position);
        if let Some(stored) = stored
            && stored.position >= self.up_to
            && self.state.restore(&stored.body)?
        {
            self.up_to = stored.position;
            self.folded = 0;
            self.weight = Weight::default();
        }
        Ok(())
    }

    /// Whether the aggregate folds this event.
    pub(super) fn is_concerned(&self, event: &EventData) -> bool {
        self.aggregate.folds(&event.event_type) && event.tags.contains_all(&self.tags)
    }

    /// Folds an event that concerns the aggregate.
    pub(super) fn fold(
        &mut self,
        event: &Envelope<'_>,
        handler: &'static str,
    ) -> Result<(), Failure> {
        self.state.apply(event, &self.tags, handler)?;
        self.folded = self.folded.saturating_add(1);
        self.weight.add(event.payload.len());
        Ok(())
    }
}

impl LoadedStates for Vec<Load> {
    fn get(&self, number: usize) -> Option<LoadedState<'_>> {
        let load = <[Load]>::get(self, number)?;
        Some(LoadedState {
            inputs: &load.inputs,
            tags: &load.tags,
            state: load.state.get(),
        })
    }
}

impl AggregateType {
    /// Whether it folds events of this type.
    pub(super) fn folds(&self, event_type: &EventType) -> bool {
        self.events.contains(&event_type.as_str())
    }
}
