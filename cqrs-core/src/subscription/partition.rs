use crate::store::{Recorded, Tag};

/// By what the events of a subscription are divided, and parked: the ids in their tags with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The name of the tags.
    pub(crate) tag: &'static str,
    /// Whether an event belongs to each of its ids. Otherwise, it belongs to the first one.
    pub(crate) each: bool,
}

impl Partition {
    /// Each event belongs to one id.
    pub(crate) fn by_first(tag: &'static str) -> Self {
        Self { tag, each: false }
    }

    /// An event may belong to several ids.
    pub(crate) fn by_each(tag: &'static str) -> Self {
        Self { tag, each: true }
    }

    /// The ids to which an event belongs. A single empty one if it was recorded without, so that some shard has
    /// it.
    pub(crate) fn ids(self, event: &Recorded) -> impl Iterator<Item = &str> {
        let mut ids = self.recorded_ids(event).peekable();
        let none = ids.peek().is_none().then_some("");
        ids.chain(none)
    }

    /// The ids with which an event was recorded, of those to which it belongs. One of them may be empty.
    pub(crate) fn recorded_ids(self, event: &Recorded) -> impl Iterator<Item = &str> {
        let tags = event.data.tags.iter();
        let own = tags.filter(move |tag| tag.name() == self.tag).map(Tag::id);
        own.take(if self.each { usize::MAX } else { 1 })
    }

    /// Whether an event belongs to an id.
    pub(crate) fn has(self, event: &Recorded, id: &str) -> bool {
        self.ids(event).any(|own| own == id)
    }
}
