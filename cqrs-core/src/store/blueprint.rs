use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use xxhash_rust::xxh3::Xxh3;

/// Hash of a piece of code: its tokens, without comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

/// The code of a projection, as far as its views depend on it. Stored with the
/// [version](super::ProjectionVersion), so that a program with other code notices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blueprint {
    /// The functions and constants, by their names: `#[on] fn created`.
    pub folds: BTreeMap<String, Fingerprint>,
    /// The fields of the read models, by the names of these.
    pub models: BTreeMap<String, Fingerprint>,
    /// The wire names of the events, in order.
    pub events: Vec<String>,
    /// The name of the tag by which the events may be divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

impl Blueprint {
    /// Hash of the folds and the read models.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Xxh3::new();
        for part in [&self.folds, &self.models] {
            for (name, fingerprint) in part {
                // The length, so that no name runs into the next one.
                hash.update(&(name.len() as u64).to_le_bytes());
                hash.update(name.as_bytes());
                hash.update(&fingerprint.0.to_le_bytes());
            }
            hash.update(&[0]);
        }
        Fingerprint(hash.digest())
    }

    /// Whether both make the same views.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.folds == other.folds && self.models == other.models
    }

    /// The differences from an earlier blueprint in words. Empty if they are equivalent.
    pub fn changes_from(&self, earlier: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        compare(&self.folds, &earlier.folds, "", &mut changes);
        compare(&self.models, &earlier.models, "read model ", &mut changes);
        changes
    }
}

/// Adds the differences between two parts of blueprints.
fn compare(
    now: &BTreeMap<String, Fingerprint>,
    before: &BTreeMap<String, Fingerprint>,
    kind: &str,
    changes: &mut Vec<String>,
) {
    for (name, fingerprint) in now {
        match before.get(name) {
            None => changes.push(format!("{kind}`{name}` is new")),
            Some(known) if known != fingerprint => {
                changes.push(format!("{kind}`{name}` has changed"));
            }
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    changes.extend(gone.map(|name| format!("{kind}`{name}` is gone")));
}

impl Fingerprint {
    /// The fingerprint with this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint(folds: &[(&str, u64)], models: &[(&str, u64)]) -> Blueprint {
        let parts = |parts: &[(&str, u64)]| {
            let named = parts
                .iter()
                .map(|(name, number)| ((*name).to_owned(), Fingerprint::new(*number)));
            named.collect()
        };
        Blueprint {
            folds: parts(folds),
            models: parts(models),
            ..Blueprint::default()
        }
    }

    #[test]
    fn each_difference_has_words() {
        let earlier = blueprint(&[("#[on] fn a", 1), ("#[on] fn b", 2)], &[("card", 3)]);
        let later = blueprint(&[("#[on] fn b", 3), ("fn c", 1)], &[("card", 4)]);
        assert_eq!(
            later.changes_from(&earlier),
            [
                "`#[on] fn b` has changed",
                "`fn c` is new",
                "`#[on] fn a` is gone",
                "read model `card` has changed",
            ]
        );
        assert!(earlier.changes_from(&earlier).is_empty());
    }

    #[test]
    fn every_part_counts_in_the_fingerprint() {
        let all = [
            blueprint(&[("a", 1)], &[]),
            blueprint(&[("a", 2)], &[]),
            blueprint(&[("b", 1)], &[]),
            blueprint(&[], &[("a", 1)]),
            blueprint(&[("a", 1)], &[("a", 1)]),
            Blueprint::default(),
        ];
        for (place, one) in all.iter().enumerate() {
            for other in &all[place + 1..] {
                assert_ne!(one.fingerprint(), other.fingerprint());
                assert!(!one.is_equivalent(other));
            }
        }
    }

    #[test]
    fn a_blueprint_is_json() {
        let written = Blueprint {
            events: vec!["opened".to_owned()],
            partition: Some("account".to_owned()),
            ..blueprint(&[("#[on] fn a", u64::MAX)], &[("card", 3)])
        };
        let json = serde_json::to_string(&written).expect("it has a JSON");
        let read: Blueprint = serde_json::from_str(&json).expect("it is read back");
        assert_eq!(read, written);
        assert!(json.contains("\"ffffffffffffffff\""), "{json}");
    }
}
