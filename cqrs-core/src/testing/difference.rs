use crate::store::NewEvent;

/// Expected and actual events side by side, a `≠` at every line that differs; `None` when they
/// are the same.
pub(super) fn difference(expected: &[NewEvent], actual: &[NewEvent]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let mut rows = vec![Row {
        left: "expected".into(),
        right: "actual".into(),
        same: true,
    }];
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

/// An event as lines: its name and version, its tags, its fields.
fn lines(event: Option<&NewEvent>) -> Vec<String> {
    let Some(event) = event else {
        return vec!["(no event)".to_owned()];
    };
    let mut lines = vec![format!("{} v{}", event.event_type, event.version)];
    lines.extend(event.tags.into_iter().map(|tag| format!("  #{tag}")));
    match serde_json::from_slice(&event.payload) {
        Ok(serde_json::Value::Object(fields)) => {
            lines.extend(
                fields
                    .iter()
                    .map(|(name, value)| format!("  {name}: {value}")),
            );
        }
        _ => lines.push(format!("  {}", String::from_utf8_lossy(&event.payload))),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EventType, Tag, Tags};

    fn event(name: &'static str, json: &str) -> NewEvent {
        NewEvent {
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
