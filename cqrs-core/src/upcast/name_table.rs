/// Values by names. Each event of a page is looked up, and few names have a value: most differ from all of these in
/// their length, which takes less time than a hash.
pub(super) struct NameTable<T>(Vec<(&'static str, T)>);

impl<T> NameTable<T> {
    /// Of several values of one name, one is kept.
    pub(super) fn new(mut entries: Vec<(&'static str, T)>) -> Self {
        entries.sort_by_key(|(name, _)| order(name));
        entries.dedup_by_key(|(name, _)| *name);
        Self(entries)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        let place = self
            .0
            .binary_search_by_key(&order(name), |(it, _)| order(it));
        place.ok().map(|place| &self.0[place].1)
    }
}

impl<T> Default for NameTable<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

fn order(name: &str) -> (usize, &str) {
    (name.len(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_value() {
        let names = ["ab", "b", "", "ba", "a", "abc", "b"];
        let table = NameTable::new(names.map(|name| (name, name.to_owned())).into());
        for name in names {
            assert_eq!(table.get(name).map(String::as_str), Some(name));
        }
        for other in ["c", "aa", "abcd"] {
            assert_eq!(table.get(other), None);
        }
        assert!(NameTable::<()>::default().is_empty() && !table.is_empty());
    }
}
