use cqrs_core::Position;
use cqrs_core::store::{
    EventData, EventPage, EventQuery, EventQueryItem, EventType, ReadRange, Tags,
};
use tokio_postgres::Row;

use crate::fault::Fault;
use crate::read::fold::FoldEvent;
use crate::row::{self, EventTypes};
use crate::sql::MAX_READ_TAGS;

/// Maximum number of events with one tag. Most aggregates have no more, and for so few events a shared
/// statement is faster than `read_to_fold`.
pub(crate) const MAX_FIRST_EVENTS: usize = 256;

/// The first page of the events of an aggregate, or of a few about which one decision is made.
#[derive(Clone)]
pub(crate) struct FirstPage {
    /// Each has one tag.
    pub(crate) items: Vec<EventQueryItem>,
    pub(crate) range: ReadRange,
}

impl FirstPage {
    /// `None` if the range has an end, or the query has other items than a few with one tag each.
    pub(crate) fn new(query: &EventQuery, range: ReadRange) -> Option<Self> {
        let EventQuery::Items(items) = query else {
            return None;
        };
        let are_few = (1..=MAX_READ_TAGS).contains(&items.len());
        let is_first = are_few && range.up_to.is_none() && items.iter().all(has_one_tag);
        is_first.then(|| Self {
            items: items.clone(),
            range,
        })
    }

    /// The types of its events. Empty for all types.
    pub(crate) fn types(&self) -> Vec<EventType> {
        if self.items.iter().any(|item| item.types.is_empty()) {
            return Vec::new();
        }
        let all = self.items.iter().flat_map(|item| &item.types);
        let mut types: Vec<EventType> = all.cloned().collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    /// The range of the events with one of the tags.
    pub(crate) fn tag_range(&self) -> ReadRange {
        ReadRange {
            limit: self.range.limit.clamp(1, MAX_FIRST_EVENTS),
            ..self.range
        }
    }

    /// The page, from the events with each tag.
    pub(crate) fn merge(self, tags: Vec<TagEvents>, head: Position) -> EventPage<FoldEvent> {
        // It ends where the events with one of the tags were cut off. The others may have later ones.
        let cut = tags.iter().filter(|tag| tag.is_cut);
        let mut next = cut.filter_map(TagEvents::last).min();
        let mut events: Vec<FoldEvent> = tags.into_iter().flat_map(|tag| tag.events).collect();
        if self.items.len() > 1 {
            events.retain(|(position, _)| next.is_none_or(|next| *position <= next));
            events.sort_by_key(|(position, _)| *position);
            // An event with several of the tags was found once for each.
            events.dedup_by(|(second, from), (first, into)| {
                let is_same = first == second;
                if is_same {
                    from.tags.iter().for_each(|tag| into.tags.push(tag.clone()));
                }
                is_same
            });
            // The types of one item were selected for the tags of the others, too.
            let query = EventQuery::Items(self.items);
            events.retain(|(_, event)| query.matches(&event.event_type, &event.tags));
            let mut room = self.range.room();
            let within = events.iter().take_while(|(_, event)| {
                let fits = !room.is_full();
                room.take(event.size());
                fits
            });
            let fitting = within.count();
            if fitting < events.len() {
                events.truncate(fitting);
                next = events.last().map(|(position, _)| *position);
            }
        }
        EventPage {
            events,
            as_of: head,
            next,
        }
    }
}

/// Whether the item has one tag that can be stored. PostgreSQL stores no text with a NUL in it, and
/// rejects one as a parameter.
fn has_one_tag(item: &EventQueryItem) -> bool {
    matches!(item.tags.as_slice(), [tag] if !tag.as_str().contains('\0'))
}

/// The first events with a tag, while they are read.
pub(crate) struct TagEvents {
    tags: Tags,
    pub(crate) range: ReadRange,
    /// What is left of the range.
    room: ReadRange,
    pub(crate) events: Vec<FoldEvent>,
    is_cut: bool,
}

impl TagEvents {
    pub(crate) fn new(item: &EventQueryItem, range: ReadRange) -> Self {
        Self {
            tags: item.tags.iter().cloned().collect(),
            range,
            room: range.room(),
            events: Vec::new(),
            is_cut: false,
        }
    }

    /// Takes an event, or finds that there are more than fit.
    pub(crate) fn take(&mut self, row: &Row, types: &mut EventTypes) -> Result<(), Fault> {
        if self.room.is_full() {
            self.is_cut = true;
            return Ok(());
        }
        let position = row::position(row, 0)?;
        // The statement sorts the events of each tag, but PostgreSQL does not promise the order of
        // joined rows. A page that ends early must not skip an event, so the order is checked.
        if self.last().is_some_and(|last| last >= position) {
            let error = format!("the event at position {position} was read out of order");
            return Err(Fault::corrupt(error));
        }
        let data = EventData {
            event_type: types.get(row, 1)?,
            version: row::version(row, 2, position)?,
            tags: self.tags.clone(),
            payload: row.try_get(3)?,
        };
        self.room.take(data.size());
        self.events.push((position, data));
        Ok(())
    }

    fn last(&self) -> Option<Position> {
        self.events.last().map(|(position, _)| *position)
    }
}
