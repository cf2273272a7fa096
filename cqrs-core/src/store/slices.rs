use std::fmt;
use std::ops::RangeInclusive;

use xxhash_rust::xxh3::xxh3_64;

/// A contiguous range of the 1,024 slices into which a subscription is divided. Every event of a
/// partitioned subscription belongs to one slice, by the tag that it is partitioned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slices {
    first: u16,
    last: u16,
}

impl Slices {
    /// The number of slices of a subscription.
    pub const COUNT: u16 = 1024;

    /// All slices.
    pub const ALL: Self = Self {
        first: 0,
        last: Self::COUNT - 1,
    };

    /// The slices from `first` to `last`, both included. `None` if there are none, or if `last` is
    /// not below [`COUNT`](Self::COUNT).
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last && last < Self::COUNT).then_some(Self { first, last })
    }

    /// The first slice.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The last slice.
    pub fn last(self) -> u16 {
        self.last
    }

    /// Whether the slice is one of these.
    pub fn contains(self, slice: u16) -> bool {
        (self.first..=self.last).contains(&slice)
    }

    /// These slices and the ones up to this one.
    #[must_use]
    pub(crate) fn up_to(self, last: u16) -> Self {
        Self { last, ..self }
    }

    /// The places of these slices in a list of all.
    pub(crate) fn range(self) -> RangeInclusive<usize> {
        usize::from(self.first)..=usize::from(self.last)
    }

    /// The slice of the events whose tag has this value: XXH3 of its UTF-8 bytes, modulo
    /// [`COUNT`](Self::COUNT). It is stored data depending on this function, so it never changes.
    pub fn of_tag(value: &str) -> u16 {
        let slice = xxh3_64(value.as_bytes()) % u64::from(Self::COUNT);
        u16::try_from(slice).unwrap_or_default()
    }

    /// The two halves, the first one larger by one slice if they are uneven. `None` for a single
    /// slice.
    pub fn halves(self) -> Option<(Self, Self)> {
        let middle = self.first + (self.last - self.first) / 2;
        Some((
            Self::new(self.first, middle)?,
            Self::new(middle + 1, self.last)?,
        ))
    }
}

/// A single slice. One that is too high becomes the last one.
impl From<u16> for Slices {
    fn from(slice: u16) -> Self {
        let slice = slice.min(Self::COUNT - 1);
        Self {
            first: slice,
            last: slice,
        }
    }
}

impl fmt::Display for Slices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_adjacent_and_have_all_slices() {
        let (first, second) = Slices::ALL.halves().expect("many slices");
        assert_eq!(
            (first.to_string(), second.to_string()),
            ("0-511".into(), "512-1023".into())
        );
        let odd = Slices::new(4, 6).expect("three slices");
        assert_eq!(odd.halves(), Slices::new(4, 5).zip(Slices::new(6, 6)));
        assert_eq!(Slices::new(7, 7).expect("one slice").halves(), None);
    }

    #[test]
    fn a_range_is_neither_empty_nor_out_of_bounds() {
        assert_eq!(Slices::new(2, 1), None);
        assert_eq!(Slices::new(0, Slices::COUNT), None);
    }

    /// Checkpoints are stored by slice: other values would fold events again or not at all.
    #[test]
    fn the_slice_of_a_tag_never_changes() {
        let slices = ["", "P001", "order-42", "größer"].map(Slices::of_tag);
        assert_eq!(slices, GOLDEN);
    }

    const GOLDEN: [u16; 4] = [194, 989, 572, 822];
}
