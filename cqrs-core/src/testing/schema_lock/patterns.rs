//! Regular expressions in schemas. Only some are understood.

use serde_json::Value;

use super::shape::Object;

/// Patterns of which the first admits no more than the second.
const INCLUDED: [[&str; 2]; 2] = [
    // A `Decimal`, as it is written and read.
    [r"^-?\d+(\.\d+)?$", r"^-?\d+(\.\d+)?([eE]\d+)?$"],
    // The keys of a map.
    [r"^\d+$", r"^-?\d+$"],
];

/// Whether the second pattern admits whatever the first admits, though they are not the same.
pub(super) fn is_included(one: Option<&str>, other: Option<&str>) -> bool {
    INCLUDED
        .iter()
        .any(|[inner, outer]| one == Some(inner) && other == Some(outer))
}

impl<'s> Object<'s> {
    /// The schema of a property by the pattern of its name. Those that a map with numbers as keys has are
    /// the only ones that are understood.
    pub(super) fn matching(&self, name: &str) -> Option<&'s Value> {
        let digits = name.strip_prefix('-').unwrap_or(name);
        let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
        let mut patterns = self.patterns.iter();
        let (_, schema) = patterns.find(|(pattern, _)| {
            is_number
                && (**pattern == INCLUDED[1][1] || **pattern == INCLUDED[1][0] && digits == name)
        })?;
        Some(schema)
    }
}
