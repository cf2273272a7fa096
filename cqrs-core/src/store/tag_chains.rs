use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::iter::successors;
use std::mem::replace;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Position, Tag};

/// The tags of consecutive events, to find the events with a tag. Tags with the same hash are in a chain: adding a
/// tag hashes it once, and neither keeps nor compares its text. So what is found has to be compared.
///
/// Invariant: `chains` has the hash of each tag in `tags` once, with the number of the last of these tags.
#[derive(Debug, Default)]
pub(super) struct TagChains<S = DefaultHashBuilder> {
    tags: VecDeque<ChainedTag>,
    /// The number of the first one, or of the next one that is added.
    first: u64,
    chains: HashTable<HashChain>,
    hasher: S,
}

#[derive(Debug)]
struct ChainedTag {
    hash: u64,
    /// That of its event.
    position: Position,
    /// The number of the tag before it in its chain. That one may have been removed.
    previous: Option<u64>,
}

#[derive(Debug)]
struct HashChain {
    hash: u64,
    /// The number of the last tag.
    last: u64,
}

impl<S: BuildHasher> TagChains<S> {
    /// Adds a tag of the event at this position, which is not before those of the tags that are there.
    pub(super) fn push(&mut self, tag: &Tag, position: Position) {
        let hash = self.hasher.hash_one(tag);
        let number = self.first + self.tags.len() as u64;
        let chain = self.chains.entry(hash, |it| it.hash == hash, |it| it.hash);
        let previous = match chain {
            Entry::Occupied(mut chain) => Some(replace(&mut chain.get_mut().last, number)),
            Entry::Vacant(chain) => {
                chain.insert(HashChain { hash, last: number });
                None
            }
        };
        self.tags.push_back(ChainedTag {
            hash,
            position,
            previous,
        });
    }

    /// Removes the first tag.
    pub(super) fn pop_first(&mut self) {
        let Some(ChainedTag { hash, .. }) = self.tags.pop_front() else {
            return;
        };
        if let Ok(chain) = self.chains.find_entry(hash, |it| it.hash == hash)
            && chain.get().last == self.first
        {
            chain.remove();
        }
        self.first += 1;
    }

    /// Removes the last tag.
    pub(super) fn pop_last(&mut self) {
        let Some(ChainedTag { hash, previous, .. }) = self.tags.pop_back() else {
            return;
        };
        let Ok(mut chain) = self.chains.find_entry(hash, |it| it.hash == hash) else {
            return;
        };
        match previous.filter(|previous| *previous >= self.first) {
            Some(previous) => chain.get_mut().last = previous,
            None => drop(chain.remove()),
        }
    }

    /// Removes all tags.
    pub(super) fn clear(&mut self) {
        self.tags.clear();
        self.chains.clear();
    }

    /// The positions of the events that have the tag, and perhaps of some that do not, the last one first.
    pub(super) fn candidates(&self, tag: &Tag) -> impl Iterator<Item = Position> {
        let hash = self.hasher.hash_one(tag);
        let chain = self.chains.find(hash, |it| it.hash == hash);
        let last = chain.and_then(|chain| self.get(chain.last));
        successors(last, |tag| self.get(tag.previous?)).map(|tag| tag.position)
    }

    /// The tag with this number, unless it was removed.
    fn get(&self, number: u64) -> Option<&ChainedTag> {
        let place = number.checked_sub(self.first)?;
        self.tags.get(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};

    use super::*;

    /// Gives all tags the same hash.
    #[derive(Default)]
    struct OneHash;

    impl Hasher for OneHash {
        fn write(&mut self, _: &[u8]) {}

        fn finish(&self) -> u64 {
            7
        }
    }

    /// Adds and removes tags at random. The candidates of each tag are compared with those of a search,
    /// by which `is_candidate` chooses.
    fn compare<S: BuildHasher + Default>(is_candidate: fn(&Tag, &Tag) -> bool) {
        let tags = ["a:1", "b:2", "c:3"].map(Tag::from);
        let mut random = fastrand::Rng::with_seed(1);
        let mut chains = TagChains::<S>::default();
        let mut added: VecDeque<(&Tag, Position)> = VecDeque::new();
        for number in 1..=5_000 {
            match random.u8(0..100) {
                0..60 => {
                    let tag = random.choice(&tags).expect("there are some");
                    // Two tags of one event at times.
                    let position = Position::new(number / 2);
                    chains.push(tag, position);
                    added.push_back((tag, position));
                }
                60..80 => {
                    chains.pop_first();
                    added.pop_front();
                }
                80..99 => {
                    chains.pop_last();
                    added.pop_back();
                }
                _ => {
                    chains.clear();
                    added.clear();
                }
            }
            for tag in &tags {
                let found: Vec<_> = chains.candidates(tag).collect();
                let searched = added.iter().rev().filter(|(it, _)| is_candidate(tag, it));
                let searched: Vec<_> = searched.map(|(_, position)| *position).collect();
                assert_eq!(found, searched, "{tag} in {added:?}");
            }
        }
    }

    #[test]
    fn the_candidates_are_the_events_with_the_tag() {
        compare::<DefaultHashBuilder>(|tag, other| tag == other);
    }

    #[test]
    fn tags_with_one_hash_are_candidates_for_each_other() {
        compare::<BuildHasherDefault<OneHash>>(|_, _| true);
    }

    #[test]
    fn a_tag_that_has_left_leaves_nothing_behind() {
        let mut chains = TagChains::<DefaultHashBuilder>::default();
        for number in 0..100 {
            chains.push(&Tag::new("a", number), Position::new(number));
            if number % 2 == 0 {
                chains.pop_first();
            } else {
                chains.pop_last();
            }
        }
        assert!(chains.tags.is_empty());
        assert!(chains.chains.is_empty());
    }
}
