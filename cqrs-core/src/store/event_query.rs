use super::{EventType, Recorded, Tag, Tags};

/// A selection of events by type and tags: a query in the terms of the dynamic consistency boundary
/// specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventQuery {
    /// Every event.
    All,
    /// Events that match any of the items. Without items, no event.
    Items(Vec<EventQueryItem>),
}

/// Matches events that have any of the types and all of the tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQueryItem {
    /// The types, one of which an event must have. Empty for every type.
    pub types: Vec<EventType>,
    /// The tags, all of which an event must have. Empty for any tags.
    pub tags: Vec<Tag>,
}

impl EventQuery {
    /// No event.
    pub const NONE: Self = Self::Items(Vec::new());

    /// Selects the events with this tag, or with all of these tags.
    pub fn tagged(tags: impl Into<Tags>) -> Self {
        Self::Items(vec![EventQueryItem {
            types: Vec::new(),
            tags: tags.into().into(),
        }])
    }

    /// Selects the events of these types.
    pub fn typed(types: impl IntoIterator<Item = &'static str>) -> Self {
        let types = types.into_iter().map(EventType::new).collect();
        Self::Items(vec![EventQueryItem {
            types,
            tags: Vec::new(),
        }])
    }

    /// Selects the events that any of these queries selects.
    pub(crate) fn any_of<'q>(queries: impl IntoIterator<Item = &'q Self>) -> Self {
        let mut typed = EventQueryItem::default();
        let mut items = Vec::new();
        for query in queries {
            let Self::Items(any) = query else {
                return Self::All;
            };
            for item in any {
                if item.types.is_empty() || !item.tags.is_empty() {
                    items.push(item.clone());
                    continue;
                }
                for event_type in &item.types {
                    if !typed.types.contains(event_type) {
                        typed.types.push(event_type.clone());
                    }
                }
            }
        }
        if !typed.types.is_empty() {
            items.push(typed);
        }
        Self::Items(items)
    }

    /// Whether an event with this type and these tags matches.
    pub fn matches(&self, event_type: &EventType, tags: &Tags) -> bool {
        match self {
            Self::All => true,
            Self::Items(items) => items.iter().any(|item| item.matches(event_type, tags)),
        }
    }

    /// Whether this event matches.
    pub fn matches_event(&self, event: &Recorded) -> bool {
        self.matches(&event.data.event_type, &event.data.tags)
    }
}

impl EventQueryItem {
    /// Whether an event with this type and these tags matches.
    pub fn matches(&self, event_type: &EventType, tags: &Tags) -> bool {
        self.matches_type(event_type) && self.tags.iter().all(|tag| tags.contains(tag))
    }

    /// Whether this event matches.
    pub fn matches_event(&self, event: &Recorded) -> bool {
        self.matches(&event.data.event_type, &event.data.tags)
    }

    /// Whether an event of this type can match.
    pub fn matches_type(&self, event_type: &EventType) -> bool {
        self.types.is_empty() || self.types.contains(event_type)
    }
}
