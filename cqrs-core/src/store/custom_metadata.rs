use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Custom metadata of a command, which its events record: a tenant, the id of a request, a locale.
///
/// Keys have 1 to 64 lowercase letters, digits, `-`, `_` and `.`, the first of which is a letter. Values are
/// texts of up to 1,024 bytes. There are at most 32 keys, and 4,096 bytes in total, or twice as many with
/// what is inherited. Metadata is stored as it is, beside the events, and shown with them: it must not have
/// secrets.
///
/// ```
/// use cqrs_core::store::CustomMetadata;
///
/// let metadata = CustomMetadata::from([("tenant", "acme"), ("locale", "de-AT")]);
/// assert_eq!(metadata.get("tenant"), Some("acme"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomMetadata {
    /// `None` if there is none, so that calls without metadata carry a null pointer and nothing else.
    entries: Option<Arc<BTreeMap<String, String>>>,
}

/// Maximum number of keys.
const MAX_ENTRIES: usize = 32;

/// Maximum size of a key, in bytes.
const MAX_KEY: usize = 64;

/// Maximum size of a value, in bytes.
const MAX_VALUE: usize = 1024;

/// Maximum size of all keys and values, in bytes.
const MAX_BYTES: usize = 4096;

/// How many times these limits the metadata of a command with what it inherits may have. Whoever sends a command may use up
/// its limits; what the reactions to its events add, and the context of a trace, must have room nevertheless.
const WITH_INHERITED: usize = 2;

impl CustomMetadata {
    /// Sets the value of a key.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let entries = self.entries.get_or_insert_default();
        Arc::make_mut(entries).insert(key.into(), value.into());
    }

    /// Removes a key, and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.get(key)?;
        let entries = Arc::make_mut(self.entries.as_mut()?);
        let removed = entries.remove(key);
        if entries.is_empty() {
            self.entries = None;
        }
        removed
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_none()
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.entries.iter().flat_map(|entries| entries.iter());
        entries.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Total size of keys and values, in bytes.
    pub fn size(&self) -> usize {
        // Nearly all events have none, and each one is asked.
        let Some(entries) = &self.entries else {
            return 0;
        };
        let sizes = entries.iter().map(|(key, value)| key.len() + value.len());
        sizes.sum()
    }

    /// Metadata as a JSON object, for stores. `None` if there is none.
    ///
    /// # Errors
    /// None that is known: keys and values are texts.
    pub fn to_json(&self) -> Result<Option<String>, serde_json::Error> {
        self.entries
            .as_deref()
            .map(serde_json::to_string)
            .transpose()
    }

    /// Reads what [`to_json`](Self::to_json) has written.
    ///
    /// # Errors
    /// When it is not a JSON object of texts.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Adds the entries that `self` does not have.
    pub(crate) fn inherit(&mut self, others: &Self) {
        let (Some(own), Some(inherited)) = (&mut self.entries, &others.entries) else {
            if self.is_empty() {
                self.clone_from(others);
            }
            return;
        };
        let own = Arc::make_mut(own);
        for (key, value) in inherited.iter() {
            if let Entry::Vacant(entry) = own.entry(key.clone()) {
                entry.insert(value.clone());
            }
        }
    }

    /// Checks keys, values and sizes, as a call does before its handler runs.
    ///
    /// # Errors
    /// What is wrong, with the key and the limit.
    #[inline]
    pub fn check(&self) -> Result<(), String> {
        match &self.entries {
            None => Ok(()),
            Some(entries) => check(entries, 1),
        }
    }

    /// The same for metadata with what it has inherited, as stores have it: twice the keys, and twice the bytes.
    ///
    /// # Errors
    /// What is wrong, with the key and the limit.
    #[inline]
    pub(crate) fn check_inherited(&self) -> Result<(), String> {
        match &self.entries {
            None => Ok(()),
            Some(entries) => check(entries, WITH_INHERITED),
        }
    }
}

#[cold]
fn check(entries: &BTreeMap<String, String>, times: usize) -> Result<(), String> {
    let (max_entries, max_bytes) = (MAX_ENTRIES * times, MAX_BYTES * times);
    if entries.len() > max_entries {
        let count = entries.len();
        return Err(format!(
            "the metadata has {count} keys, at most {max_entries}"
        ));
    }
    let mut bytes = 0;
    for (key, value) in entries {
        if !is_key(key) {
            return Err(format!(
                "{:?} is no key of metadata: 1 to {MAX_KEY} lowercase letters, digits, `-`, `_` and `.`, \
                 the first of which is a letter",
                key.chars().take(80).collect::<String>()
            ));
        }
        if value.len() > MAX_VALUE {
            let size = value.len();
            return Err(format!(
                "the metadata `{key}` has {size} bytes, at most {MAX_VALUE}"
            ));
        }
        if value.contains('\0') {
            return Err(format!("the metadata `{key}` has U+0000"));
        }
        bytes += key.len() + value.len();
    }
    if bytes > max_bytes {
        return Err(format!(
            "the metadata has {bytes} bytes, at most {max_bytes}"
        ));
    }
    Ok(())
}

fn is_key(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.len() <= MAX_KEY
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for CustomMetadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut metadata = Self::default();
        for (key, value) in entries {
            metadata.set(key, value);
        }
        metadata
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for CustomMetadata {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl Serialize for CustomMetadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for CustomMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = BTreeMap::<String, String>::deserialize(deserializer)?;
        let entries = (!found.is_empty()).then(|| Arc::new(found));
        Ok(Self { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_entries_are_not_replaced_by_inherited_ones() {
        let event = CustomMetadata::from([("tenant", "acme"), ("locale", "de")]);
        let mut own = CustomMetadata::from([("locale", "fr")]);
        own.inherit(&event);
        assert_eq!(
            own,
            CustomMetadata::from([("tenant", "acme"), ("locale", "fr")])
        );
        own.inherit(&CustomMetadata::default());
        assert_eq!(own.iter().count(), 2);
        let mut none = CustomMetadata::default();
        none.inherit(&event);
        assert_eq!(none, event);
        assert_eq!(event.get("locale"), Some("de"));
        assert_eq!(none.remove("locale"), Some("de".to_owned()));
        assert_eq!((none.remove("locale"), event.iter().count()), (None, 2));
        none.remove("tenant");
        assert!(none.is_empty());
    }

    #[test]
    fn json_is_read_as_it_was_written() {
        let metadata = CustomMetadata::from([("a", "\"\n\u{1}é"), ("b.c", "")]);
        let json = metadata.to_json().unwrap().unwrap();
        assert_eq!(CustomMetadata::from_json(&json).unwrap(), metadata);
        assert_eq!(CustomMetadata::default().to_json().unwrap(), None);
        assert!(CustomMetadata::from_json("{}").unwrap().is_empty());
        assert!(CustomMetadata::from_json("[1]").is_err());
    }

    #[test]
    fn what_exceeds_a_limit_is_refused_with_the_limit() {
        let key = format!("a{}", "b".repeat(MAX_KEY - 1));
        let value = "x".repeat(MAX_VALUE);
        let largest = CustomMetadata::from([(&*key, &*value), ("request-id", ""), ("a.b_9", "é")]);
        largest.check().unwrap();
        let many: CustomMetadata = (0..=MAX_ENTRIES).map(|it| (format!("k{it}"), "")).collect();
        let large: CustomMetadata = (0..5).map(|it| (format!("k{it}"), &*value)).collect();
        let refused = [
            ("33 keys, at most 32", many),
            ("no key", CustomMetadata::from([("", "")])),
            ("no key", CustomMetadata::from([("Tenant", "")])),
            ("no key", CustomMetadata::from([("1a", "")])),
            ("no key", CustomMetadata::from([(format!("{key}c"), "")])),
            (
                "1025 bytes, at most 1024",
                CustomMetadata::from([("a", format!("{value}x"))]),
            ),
            ("U+0000", CustomMetadata::from([("a", "\0")])),
            ("5130 bytes, at most 4096", large),
        ];
        for (part, metadata) in refused {
            let problem = metadata.check().unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
