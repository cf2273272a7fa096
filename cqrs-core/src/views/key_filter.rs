use xxhash_rust::xxh3::xxh3_64;

/// Number of bits: with a million keys, 3 of 100 others seem to be among them. A power of two.
const BITS: u64 = 1 << 23;

/// Number of bits per key.
const HASHES: u64 = 3;

/// A set of keys that never forgets one, and takes some other keys for its own: a Bloom filter of 1 MiB.
pub(super) struct KeyFilter(Vec<u64>);

impl KeyFilter {
    pub(super) fn new() -> Self {
        let words = usize::try_from(BITS / 64).unwrap_or_default();
        Self(vec![0; words])
    }

    /// Adds a key. Returns whether it may have been in the set.
    pub(super) fn insert(&mut self, key: &str) -> bool {
        let mut was_in = true;
        for (word, bit) in places(key) {
            if let Some(word) = self.0.get_mut(word) {
                was_in &= *word & bit != 0;
                *word |= bit;
            }
        }
        was_in
    }

    /// Whether the key may be in the set. If not, it is not.
    pub(super) fn may_have(&self, key: &str) -> bool {
        places(key).all(|(word, bit)| self.0.get(word).is_none_or(|word| word & bit != 0))
    }
}

/// The bits of a key, each as the number of its word and a mask.
fn places(key: &str) -> impl Iterator<Item = (usize, u64)> {
    let hash = xxh3_64(key.as_bytes());
    let (first, step) = (hash & 0xFFFF_FFFF, (hash >> 32) | 1);
    (0..HASHES).map(move |number| {
        let bit = (first + number * step) % BITS;
        let word = usize::try_from(bit / 64).unwrap_or_default();
        (word, 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_forgotten_and_few_others_are_taken_for_one() {
        let mut filter = KeyFilter::new();
        let keys = 0..200_000;
        for key in keys.clone() {
            filter.insert(&format!("key-{key}"));
        }
        assert!(
            keys.clone()
                .all(|key| filter.may_have(&format!("key-{key}")))
        );
        let wrong = keys.filter(|key| filter.may_have(&format!("other-{key}")));
        assert!(wrong.count() < 2_000);
    }
}
