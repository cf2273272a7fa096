use super::Bookmark;
use crate::store::{Position, TagSlices};

/// Number of commands whose events are looked up among parked keys.
const MAX_COMMANDS: usize = 16;

/// The events that a query waits for, until they are in its read models.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    position: Position,
    /// The slices of the events up to the position that are waited for. `None` while there are none.
    slices: Option<TagSlices>,
    /// The last event of each command that is known.
    last_events: Vec<Position>,
}

impl Wanted {
    /// The events of the command that ends here, and those that are wanted already.
    pub(super) fn add(&mut self, bookmark: Bookmark) {
        self.add_slices(bookmark.position(), bookmark.slices());
        if bookmark.names_event() {
            // Of a long session, the commands of long ago are left out.
            if self.last_events.len() == MAX_COMMANDS {
                self.last_events.remove(0);
            }
            self.last_events.push(bookmark.position());
        }
    }

    /// Every event up to this position.
    pub(super) fn add_all_up_to(&mut self, position: Position) {
        self.add_slices(position, TagSlices::default());
    }

    /// Everything that a session wants.
    pub(super) fn add_wanted(&mut self, other: &Self) {
        if let Some(slices) = other.slices {
            self.add_slices(other.position, slices);
            self.last_events.extend(&other.last_events);
        }
    }

    fn add_slices(&mut self, position: Position, slices: TagSlices) {
        if position == Position::START {
            return;
        }
        self.position = self.position.max(position);
        self.slices = Some(self.slices.map_or(slices, |known| known.or(slices)));
    }

    /// Whether nothing is waited for.
    pub(super) fn is_nothing(&self) -> bool {
        self.slices.is_none()
    }

    /// The position of the last event.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// The slices of the events. Without names, each event up to the position is wanted.
    pub(super) fn slices(&self) -> TagSlices {
        self.slices.unwrap_or_default()
    }

    /// The last event of each command that is known.
    pub(super) fn last_events(&self) -> &[Position] {
        &self.last_events
    }
}
