use std::collections::HashMap;

use cqrs_core::app::{Model, NodeKind};
use serde_json::Value;
use serde_json::value::RawValue;

/// The fields of commands that have the id of an aggregate.
#[derive(Default)]
pub(crate) struct Subjects(HashMap<String, Vec<(&'static str, &'static str)>>);

impl Subjects {
    /// Of the commands of a program.
    pub(crate) fn of(model: &Model) -> Self {
        let commands = model.of_kind(NodeKind::Command).map(|node| {
            let fields = node.fields.iter();
            let ids = fields.filter_map(|field| Some((field.name, field.aggregate?)));
            (node.id.name.clone(), ids.collect())
        });
        Self(commands.collect())
    }

    /// The aggregate that a command with this JSON is about: the first one, of several. `None` without one.
    pub(crate) fn subject(&self, command: &str, json: &str) -> Option<String> {
        let ids = self.0.get(command)?;
        let fields: HashMap<String, &RawValue> = serde_json::from_str(json).ok()?;
        let given = ids.iter().find_map(|(field, aggregate)| {
            let value = serde_json::from_str::<Value>(fields.get(*field)?.get()).ok()?;
            Some((aggregate, value))
        });
        given.map(|(aggregate, value)| match value {
            Value::String(id) => format!("{aggregate}:{id}"),
            other => format!("{aggregate}:{other}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_about_one_aggregate_have_one_subject() {
        let ids = vec![("product_id", "product")];
        let subjects = Subjects(HashMap::from([
            ("Create".to_owned(), ids.clone()),
            ("Rename".to_owned(), ids),
        ]));
        let subject = |command, json| subjects.subject(command, json);
        let first = subject("Create", r#"{"product_id": "P1", "name": "N"}"#);
        assert_eq!(first.as_deref(), Some("product:P1"));
        assert_eq!(subject("Rename", r#"{"product_id": "P\u0031"}"#), first);
        assert_eq!(subject("Rename", r#"{"name": "N"}"#), None);
        assert_eq!(subject("Rename", "nothing"), None);
        assert_eq!(subject("Other", r#"{"product_id": "P1"}"#), None);
    }
}
