use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{EventData, Slices, Tag};

/// Number of slices that are kept. Of more, none is.
const MAX: usize = 8;

/// The slices to which events belong in subscriptions that are divided by one of their tags.
///
/// A name of a tag is here only if each of the events has a tag with that name. In a subscription that is divided
/// by another one, they may belong to any slice. The default has no names.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct TagSlices {
    /// In ascending order.
    known: [TagSlice; MAX],
    count: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct TagSlice {
    /// The hash of the tag's name.
    name: u16,
    slice: u16,
}

impl TagSlices {
    /// The length of the longest text.
    pub(crate) const MAX_BYTES: usize = MAX * (TagSlice::BYTES + 1) - 1;

    /// Those of the events of one command.
    #[inline]
    pub(crate) fn of(events: &[EventData]) -> Self {
        let each = events
            .iter()
            .map(|event| Self::of_tags(event.tags.as_slice()));
        each.reduce(Self::or).unwrap_or_default()
    }

    fn of_tags(tags: &[Tag]) -> Self {
        let mut found = Self::default();
        if let [tag] = tags {
            found.known[0] = TagSlice::of(tag);
            found.count = 1;
            return found;
        }
        tags.iter().map(TagSlice::of).collect()
    }

    /// Those of these events and of others.
    #[must_use]
    pub(crate) fn or(self, others: Self) -> Self {
        if self == others {
            return self;
        }
        let (own, other) = (self.as_slice().iter(), others.as_slice().iter());
        let of_own = own.filter(|it| others.has_name(it.name));
        let of_others = other.filter(|it| self.has_name(it.name));
        of_own.chain(of_others).copied().collect()
    }

    /// Whether one of the events may belong to these slices of a subscription that is divided by the tag with
    /// this name.
    pub(crate) fn may_be_in(&self, slices: Slices, partition: &str) -> bool {
        let name = hash_of(partition);
        let mut known = self.as_slice().iter();
        !self.has_name(name) || known.any(|it| it.name == name && slices.contains(it.slice))
    }

    /// Whether it has no names, so that the events may belong to any slice.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn has_name(&self, name: u16) -> bool {
        self.as_slice().iter().any(|it| it.name == name)
    }

    fn as_slice(&self) -> &[TagSlice] {
        &self.known[..usize::from(self.count)]
    }

    /// Returns `false` if there is no room.
    fn insert(&mut self, slice: TagSlice) -> bool {
        let count = usize::from(self.count);
        let lower = self.as_slice().iter().take_while(|it| **it < slice);
        let place = lower.count();
        if self.as_slice().get(place) == Some(&slice) {
            return true;
        }
        let has_room = count < MAX;
        if has_room {
            self.known.copy_within(place..count, place + 1);
            self.known[place] = slice;
            self.count += 1;
        }
        has_room
    }
}

impl FromIterator<TagSlice> for TagSlices {
    fn from_iter<T: IntoIterator<Item = TagSlice>>(all: T) -> Self {
        let mut found = Self::default();
        let has_all = all.into_iter().all(|slice| found.insert(slice));
        if has_all { found } else { Self::default() }
    }
}

impl TagSlice {
    /// The length of the text.
    const BYTES: usize = 8;

    fn of(tag: &Tag) -> Self {
        let (name, id) = tag.parts();
        Self {
            name: hash_of(name),
            slice: Slices::of_tag(id),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (name, slice) = text.split_at_checked(Self::BYTES / 2)?;
        let read = Self {
            name: u16::from_str_radix(name, 16).ok()?,
            slice: u16::from_str_radix(slice, 16).ok()?,
        };
        (read.slice < Slices::COUNT && read.to_string() == text).then_some(read)
    }
}

/// The hash of a tag's name. It is in texts that other processes read, so it never changes.
fn hash_of(name: &str) -> u16 {
    let [first, second, ..] = xxh3_64(name.as_bytes()).to_be_bytes();
    u16::from_be_bytes([first, second])
}

impl fmt::Display for TagSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}{:04x}", self.name, self.slice)
    }
}

/// The slices, separated by `-`.
impl fmt::Display for TagSlices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, slice) in self.as_slice().iter().enumerate() {
            let separator = if place == 0 { "" } else { "-" };
            write!(f, "{separator}{slice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TagSlices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagSlices({self})")
    }
}

impl FromStr for TagSlices {
    type Err = &'static str;

    /// Reads the text that [`Display`](fmt::Display) writes, and no other.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let slices: Option<Self> = text.split('-').map(TagSlice::read).collect();
        let read = slices.filter(|read| read.to_string() == text);
        read.ok_or("the slices of a receipt are not as they were written")
    }
}

impl From<TagSlices> for String {
    fn from(slices: TagSlices) -> Self {
        slices.to_string()
    }
}

impl TryFrom<String> for TagSlices {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EventType;

    fn event(tags: &[&str]) -> EventData {
        EventData {
            event_type: EventType::new("noted"),
            version: 1,
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
            payload: Vec::new(),
        }
    }

    fn slices(events: &[&[&str]]) -> TagSlices {
        let events: Vec<EventData> = events.iter().map(|tags| event(tags)).collect();
        TagSlices::of(&events)
    }

    /// Whether it may be in the slice of this id, and in the one after it.
    fn places(slices: TagSlices, partition: &str, id: &str) -> (bool, bool) {
        let slice = Slices::of_tag(id);
        let may_be = |slice: u16| slices.may_be_in(slice.into(), partition);
        (may_be(slice), may_be((slice + 1) % Slices::COUNT))
    }

    #[test]
    fn an_event_belongs_to_the_slice_of_its_tag() {
        let enrolled = slices(&[&["course:C1", "student:S1"]]);
        assert_eq!(places(enrolled, "course", "C1"), (true, false));
        assert_eq!(places(enrolled, "student", "S1"), (true, false));
        assert_eq!(places(enrolled, "teacher", "T1"), (true, true), "unknown");
        assert!(!enrolled.is_empty());
    }

    #[test]
    fn several_events_belong_to_the_slices_of_the_tags_that_all_of_them_have() {
        let moved = slices(&[&["account:A1", "transfer:T"], &["account:A2"]]);
        for id in ["A1", "A2"] {
            assert_eq!(places(moved, "account", id), (true, false));
        }
        assert_eq!(places(moved, "transfer", "T"), (true, true));
        assert_eq!(moved, slices(&[&["account:A2"], &["account:A1"]]));
        for none in [slices(&[]), slices(&[&[]]), slices(&[&["a:1"], &[]])] {
            assert!(none.is_empty());
        }
    }

    #[test]
    fn of_too_many_slices_none_is_kept() {
        let tags: Vec<String> = (0..9).map(|id| format!("seat:{id}")).collect();
        let events: Vec<EventData> = tags.iter().map(|tag| event(&[tag])).collect();
        assert!(!TagSlices::of(&events[..8]).is_empty());
        assert!(TagSlices::of(&events).is_empty());
    }

    /// The text is in bookmarks, which processes with other code read.
    #[test]
    fn the_text_never_changes_and_is_read_as_it_was_written() {
        let enrolled = slices(&[&["course:P001", "student:order-42"]]);
        assert_eq!(enrolled.to_string(), ENROLLED);
        assert_eq!(ENROLLED.parse(), Ok(enrolled));
        assert_eq!("".parse(), Ok(TagSlices::default()));
        let full: TagSlices = (0..8).map(|slice| TagSlice { name: 1, slice }).collect();
        assert_eq!(full.to_string().len(), TagSlices::MAX_BYTES);
        for other in [
            "-",
            "1",
            "00010400",
            "0001000A",
            "+001000a",
            "00010002-00010001",
            "größer",
        ] {
            assert!(other.parse::<TagSlices>().is_err(), "{other}");
        }
    }

    const ENROLLED: &str = "495503dd-a93e023c";
}
