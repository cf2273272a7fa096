use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::message::UNREADABLE;
use crate::registry::{EventEntry, UpcasterEntry};
use crate::store::{EventData, EventQuery, EventType};

/// The conversions of recorded events, by the names under which they are stored.
pub(crate) struct Conversions {
    by_stored: HashMap<&'static str, Conversion>,
    /// The earlier names of events, by the present ones.
    earlier: HashMap<&'static str, Vec<EventType>>,
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
    ) -> Self {
        let mut by_stored = HashMap::new();
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
                by_stored.insert(*stored, conversion);
            }
            if !event.was.is_empty() {
                let names = event.was.iter().map(|name| EventType::new(name));
                earlier.insert(event.name, names.collect());
            }
        }
        Self { by_stored, earlier }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_stored.is_empty()
    }

    /// The query that also selects events under their earlier names.
    pub(super) fn expand<'q>(&self, query: &'q EventQuery) -> Cow<'q, EventQuery> {
        let EventQuery::Items(items) = query else {
            return Cow::Borrowed(query);
        };
        let mut types = items.iter().flat_map(|item| &item.types);
        if !types.any(|it| self.earlier.contains_key(it.as_str())) {
            return Cow::Borrowed(query);
        }
        let mut expanded = items.clone();
        for item in &mut expanded {
            let earlier = item
                .types
                .iter()
                .filter_map(|it| self.earlier.get(it.as_str()));
            let names: Vec<EventType> = earlier.flatten().cloned().collect();
            item.types.extend(names);
        }
        Cow::Owned(EventQuery::Items(expanded))
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
