use std::fmt::Debug;

use serde_json::Value;

use crate::store::EventData;

/// A value that a test compares line by line.
pub(super) trait Lines: PartialEq + Debug {
    /// The text for a missing value.
    const NOTHING: &'static str;

    /// The name of the value, then its parts.
    fn lines(&self) -> Vec<String>;
}

/// Expected and actual values side by side, with a `≠` at every line that differs. `None` if they
/// are equal.
pub(super) fn difference<T: Lines>(expected: &[T], actual: &[T]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let mut rows = vec![Row {
        left: "expected".into(),
        right: "actual".into(),
        same: true,
    }];
    let lines = |value: Option<&T>| value.map_or_else(|| vec![T::NOTHING.to_owned()], T::lines);
    for index in 0..expected.len().max(actual.len()) {
        let left = lines(expected.get(index));
        let right = lines(actual.get(index));
        for line in 0..left.len().max(right.len()) {
            let cell = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
            let (left, right) = (cell(&left), cell(&right));
            rows.push(Row {
                same: left == right,
                left,
                right,
            });
        }
    }
    let width = rows
        .iter()
        .map(|row| row.left.chars().count())
        .max()
        .unwrap_or(0);
    let mut table = String::new();
    for Row { left, right, same } in rows {
        let mark = if same { ' ' } else { '≠' };
        let padding = " ".repeat(width - left.chars().count());
        table.push_str(format!("{mark} {left}{padding} | {right}").trim_end());
        table.push('\n');
    }
    Some(table)
}

struct Row {
    left: String,
    right: String,
    same: bool,
}

impl Lines for EventData {
    const NOTHING: &'static str = "(no event)";

    /// Name and version, tags, then fields.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} v{}", self.event_type, self.version)];
        lines.extend(self.tags.into_iter().map(|tag| format!("  #{tag}")));
        match serde_json::from_slice(&self.payload) {
            Ok(payload) => lines.extend(fields(&payload)),
            Err(_) => lines.push(format!("  {}", String::from_utf8_lossy(&self.payload))),
        }
        lines
    }
}

/// The fields of an object, or the value.
pub(super) fn fields(json: &Value) -> Vec<String> {
    match json {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("  {name}: {value}"))
            .collect(),
        value => vec![format!("  {value}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EventType, Tag, Tags};

    fn event(name: &'static str, json: &str) -> EventData {
        EventData {
            event_type: EventType::new(name),
            version: 1,
            tags: Tags::from_iter([Tag::new("product", "P1")]),
            payload: json.as_bytes().to_vec(),
        }
    }

    #[test]
    fn equal_events_differ_in_nothing() {
        let events = [event("created", r#"{"price":1}"#)];
        assert_eq!(difference(&events, &events), None);
    }

    #[test]
    fn marks_the_lines_that_differ() {
        let expected = [event("created", r#"{"name":"A","price":1}"#)];
        let actual = [
            event("created", r#"{"name":"A","price":25}"#),
            event("priced", "{}"),
        ];
        let table = difference(&expected, &actual).expect("a difference");
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "  expected      | actual",
                "  created v1    | created v1",
                "    #product:P1 |   #product:P1",
                "    name: \"A\"   |   name: \"A\"",
                "≠   price: 1    |   price: 25",
                "≠ (no event)    | priced v1",
                "≠               |   #product:P1",
            ]
        );
    }
}
