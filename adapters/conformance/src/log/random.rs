use std::sync::Arc;

use fastrand::Rng;

use super::draft::Draft;
use cqrs_core::Position;
use cqrs_core::store::{EventQuery, EventQueryItem, EventType, Recorded, Tag};

const TYPES: [&str; 4] = ["opened", "moved", "closed", "opened-again"];
const TAGS: [&str; 6] = ["a:1", "a:2", "b:1", "b:12", "c:1", "c:"];

/// Generates logs and queries, the same in every run.
pub(super) struct Random(pub(super) Rng);

impl Random {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// A command with one event: a random type, and up to three random tags.
    pub(super) fn event(&mut self) -> Draft {
        let tags = self.0.choose_multiple(TAGS, 3);
        let count = self.0.usize(0..=3);
        Draft::new().event(TYPES[self.0.usize(..TYPES.len())], &tags[..count])
    }

    /// A query of any shape.
    pub(super) fn query(&mut self) -> EventQuery {
        if self.0.u8(..20) == 0 {
            return EventQuery::All;
        }
        let items = (0..self.0.usize(0..=3)).map(|_| self.item()).collect();
        EventQuery::Items(items)
    }

    fn item(&mut self) -> EventQueryItem {
        let (types, tags) = (self.0.usize(0..=2), self.0.usize(0..=2));
        EventQueryItem {
            types: self
                .0
                .choose_multiple(TYPES, types)
                .into_iter()
                .map(EventType::new)
                .collect(),
            tags: self
                .0
                .choose_multiple(TAGS, tags)
                .into_iter()
                .map(Tag::from)
                .collect(),
        }
    }

    /// A position in this log, more often a late one: that of an event, the one before an event, or
    /// the start.
    pub(super) fn position(&mut self, log: &[Arc<Recorded>]) -> Position {
        let reach = if self.0.bool() { log.len() } else { 20 };
        let from_end = self.0.usize(0..=reach);
        match log.len().checked_sub(from_end + 1) {
            Some(index) if self.0.u8(..4) == 0 => log[index].position.before(),
            Some(index) => log[index].position,
            None => Position::START,
        }
    }
}
