use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::TagNames;
use super::name_table::NameTable;
use crate::message::{Storage, UNREADABLE};
use crate::registry::{AggregateEntry, EventEntry, UpcasterEntry};
use crate::store::{Append, EventData, EventQuery, EventQueryItem, EventType};

/// The conversions of recorded events.
#[derive(Default)]
pub(crate) struct Conversions {
    /// By the names under which the events are stored.
    by_stored: NameTable<Conversion>,
    /// The earlier names of events, by the present ones.
    earlier: HashMap<&'static str, Vec<EventType>>,
    /// The names of aggregates.
    pub(crate) tags: TagNames,
    /// Hashes of what converts the events of aggregates with stored states, by the names of these.
    states: HashMap<&'static str, u64>,
}

/// The conversion of the events with one stored name.
pub(crate) struct Conversion {
    /// The present name.
    name: &'static str,
    version: u32,
    /// By the version that it takes.
    upcasters: Arc<BTreeMap<u32, &'static UpcasterEntry>>,
    is_renamed: bool,
}

impl Conversions {
    pub(crate) fn new(
        events: &[&'static EventEntry],
        upcasters: &[&'static UpcasterEntry],
        aggregates: &[&'static AggregateEntry],
    ) -> Self {
        let mut by_stored = Vec::new();
        let mut earlier = HashMap::new();
        for event in events {
            let of_event = upcasters.iter().filter(|it| it.event == event.name);
            let upcasters: Arc<BTreeMap<_, _>> =
                Arc::new(of_event.map(|it| (it.from, *it)).collect());
            if event.was.is_empty() && upcasters.is_empty() {
                continue;
            }
            for stored in event.was.iter().chain([&event.name]) {
                let conversion = Conversion {
                    name: event.name,
                    version: event.version,
                    upcasters: upcasters.clone(),
                    is_renamed: *stored != event.name,
                };
                by_stored.push((*stored, conversion));
            }
            if !event.was.is_empty() {
                let names = event.was.iter().map(|name| EventType::new(name));
                earlier.insert(event.name, names.collect());
            }
        }
        let mut conversions = Self {
            by_stored: NameTable::new(by_stored),
            earlier,
            tags: TagNames::new(aggregates),
            states: HashMap::new(),
        };
        let stored = aggregates
            .iter()
            .filter(|it| it.aggregate.storage != Storage::Events);
        for AggregateEntry { aggregate, was, .. } in stored {
            let events = conversions.code_of(aggregate.events.iter().copied());
            // A program that knows one of the names has left out the events that were recorded under the other.
            let code = match was {
                Some(was) => Some(xxh3_64_with_seed(was.as_bytes(), events.unwrap_or(0))),
                None => events,
            };
            let state = code.map(|code| (aggregate.name, code));
            conversions.states.extend(state);
        }
        conversions
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_stored.is_empty() && self.tags.is_empty()
    }

    /// Hash of what converts these events. `None` if nothing does.
    ///
    /// A state that was folded from them is stored with it, so it never changes for the same code.
    pub(crate) fn code_of(&self, events: impl IntoIterator<Item = &'static str>) -> Option<u64> {
        let converted: BTreeSet<&str> = events
            .into_iter()
            .filter(|name| self.by_stored.get(name).is_some())
            .collect();
        if converted.is_empty() {
            return None;
        }
        let mut hash = Xxh3::new();
        for name in converted {
            let earlier = self.earlier.get(name).into_iter().flatten();
            let in_order: BTreeSet<&str> = earlier.map(EventType::as_str).collect();
            for name in [name].into_iter().chain(in_order) {
                hash.update(name.as_bytes());
                hash.update(&[0]);
            }
            let conversion = self.by_stored.get(name);
            for (from, upcaster) in conversion.iter().flat_map(|it| &*it.upcasters) {
                hash.update(&from.to_le_bytes());
                hash.update(&upcaster.fingerprint.to_le_bytes());
            }
            hash.update(&[0]);
        }
        Some(hash.digest())
    }

    /// The same for the events of an aggregate with stored states.
    pub(super) fn code_of_state(&self, aggregate: &str) -> Option<u64> {
        self.states.get(aggregate).copied()
    }

    /// The present name of an event.
    pub(crate) fn present_name<'n>(&self, stored: &'n str) -> &'n str {
        let conversion = self.by_stored.get(stored);
        conversion.map_or(stored, |conversion| conversion.name)
    }

    /// The earlier names of an event.
    pub(crate) fn earlier_names(&self, present: &str) -> impl Iterator<Item = &str> {
        let names = self.earlier.get(present).into_iter().flatten();
        names.map(EventType::as_str)
    }

    /// The query that also selects events under their earlier names.
    pub(super) fn expand<'q>(&self, query: &'q EventQuery) -> Cow<'q, EventQuery> {
        let EventQuery::Items(items) = query else {
            return Cow::Borrowed(query);
        };
        if !items.iter().any(|item| self.has_earlier_names(item)) {
            return Cow::Borrowed(query);
        }
        let mut expanded = Vec::with_capacity(items.len());
        for mut item in items.iter().cloned() {
            let earlier = item
                .types
                .iter()
                .filter_map(|it| self.earlier.get(it.as_str()));
            let names: Vec<EventType> = earlier.flatten().cloned().collect();
            item.types.extend(names);
            self.tags.expand(item, &mut expanded);
        }
        Cow::Owned(EventQuery::Items(expanded))
    }

    /// The same for a query that is not needed any more.
    pub(super) fn expand_owned(&self, query: EventQuery) -> EventQuery {
        let expanded = match self.expand(&query) {
            Cow::Owned(expanded) => Some(expanded),
            Cow::Borrowed(_) => None,
        };
        expanded.unwrap_or(query)
    }

    /// Whether the log may have events of this item under other names.
    fn has_earlier_names(&self, item: &EventQueryItem) -> bool {
        let mut types = item.types.iter();
        types.any(|it| self.earlier.contains_key(it.as_str())) || self.tags.concern(item)
    }

    /// Whether the event has another form than the present one.
    pub(super) fn concern(&self, event: &EventData) -> bool {
        self.of(event).is_some() || self.tags.has_stored(&event.tags)
    }

    /// The event in its present form. `None` if an upcaster leaves it out.
    pub(crate) fn convert(&self, event: &EventData) -> Option<EventData> {
        let mut present = match self.of(event) {
            Some(conversion) => conversion.convert(event)?,
            None => event.clone(),
        };
        if let Some(tags) = self.tags.present_tags(&event.tags) {
            present.tags = tags;
        }
        Some(present)
    }

    /// The append as the log keeps it. Its boundaries also cover events under their earlier names, which an older
    /// program may append.
    pub(super) fn store(&self, append: &mut Append) {
        for boundary in &mut append.boundaries {
            if let Cow::Owned(expanded) = self.expand(&boundary.fail_if) {
                boundary.fail_if = Arc::new(expanded);
            }
        }
        for event in &mut append.events {
            if let Some(tags) = self.tags.stored_tags(&event.tags) {
                event.tags = tags;
            }
        }
        for state in &mut append.states {
            self.store_state(state);
        }
    }

    /// The conversion of this event, unless it has its present form.
    pub(crate) fn of(&self, event: &EventData) -> Option<&Conversion> {
        let conversion = self.by_stored.get(event.event_type.as_str())?;
        let is_old = event.version < conversion.version && !conversion.upcasters.is_empty();
        (conversion.is_renamed || is_old).then_some(conversion)
    }
}

impl Conversion {
    /// The event in its present form. `None` if an upcaster leaves it out.
    ///
    /// An event that cannot be converted stays there, with the reason in place of its payload: whoever decodes it
    /// fails, as with any other event that cannot be read.
    pub(crate) fn convert(&self, event: &EventData) -> Option<EventData> {
        let mut converted = EventData {
            event_type: EventType::new(self.name),
            ..event.clone()
        };
        // A version below that of the first upcaster is read as the one that it takes.
        while converted.version < self.version
            && let Some((from, upcaster)) = self.upcasters.range(converted.version..).next()
        {
            match (upcaster.run)(&converted.payload) {
                Ok(payload) => {
                    converted.payload = payload?;
                    converted.version = from + 1;
                }
                Err(error) => {
                    let UpcasterEntry { name, source, .. } = upcaster;
                    let reason = format!("its upcaster `{name}` ({source}) failed: {error}");
                    converted.payload = reason.into_bytes();
                    converted.version = UNREADABLE;
                    break;
                }
            }
        }
        Some(converted)
    }
}
