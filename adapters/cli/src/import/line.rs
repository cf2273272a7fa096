use cqrs_core::{CommandId, Uuid};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::subjects::Subjects;

/// A command to send.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) command: String,
    pub(crate) data: String,
    pub(crate) id: CommandId,
    /// The id of the aggregate that it concerns, if any: lines about one stay in order.
    pub(crate) subject: Option<String>,
}

/// The format of a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    command: String,
    #[serde(borrow)]
    data: &'a RawValue,
    id: Option<Uuid>,
}

/// Derives the ids of lines without one.
pub(crate) struct Ids(String);

impl Ids {
    /// For a file with this content: the same content has the same ids.
    pub(crate) fn of_content(program: &str, content: u128) -> Self {
        Self(format!("{program} import {content:032x}"))
    }

    /// For a batch with a name, independent of the file's content.
    pub(crate) fn of_batch(program: &str, name: &str) -> Self {
        Self(format!("{program} batch {name}"))
    }

    /// The id of a line. It depends on the number, so that two equal lines are two commands.
    fn id(&self, number: u64, text: &[u8]) -> CommandId {
        let mut name = number.to_le_bytes().to_vec();
        name.extend_from_slice(text);
        CommandId::derived(&self.0, &name)
    }
}

impl Line {
    /// Parses a line.
    ///
    /// # Errors
    /// The problem, as text.
    pub(crate) fn parse(
        text: &[u8],
        number: u64,
        ids: &Ids,
        subjects: &Subjects,
    ) -> Result<Self, String> {
        let written: Written<'_> =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let data = written.data.get();
        Ok(Self {
            subject: subjects.subject(&written.command, data),
            command: written.command,
            data: data.to_owned(),
            id: written
                .id
                .map_or_else(|| ids.id(number, text), CommandId::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"command": "ReceiveStock", "data": {"product_id": "P1", "units": 2}}"#;

    fn parse(text: &str, number: u64, ids: &Ids) -> Line {
        Line::parse(text.as_bytes(), number, ids, &Subjects::default()).expect("a line")
    }

    #[test]
    fn ids_depend_on_content_number_and_text() {
        let ids = Ids::of_content("shop", 7);
        let id = parse(LINE, 1, &ids).id;
        assert_eq!(id, parse(LINE, 1, &Ids::of_content("shop", 7)).id);
        assert_ne!(id, parse(LINE, 2, &ids).id, "alike, but two commands");
        assert_ne!(
            id,
            parse(LINE, 1, &Ids::of_content("shop", 8)).id,
            "another file"
        );
        assert_ne!(
            id,
            parse(&LINE.replace('2', "3"), 1, &ids).id,
            "another line"
        );
        assert_ne!(id, parse(LINE, 1, &Ids::of_batch("shop", "7")).id);
    }

    #[test]
    fn an_id_in_the_line_is_the_commands() {
        let id = "018f0000-0000-7000-8000-000000000001";
        let text = LINE.replace("{\"command\"", &format!("{{\"id\": \"{id}\", \"command\""));
        assert_eq!(
            parse(&text, 1, &Ids::of_content("shop", 7)).id.to_string(),
            id
        );
    }

    #[test]
    fn a_malformed_line_is_reported_with_the_reason() {
        let ids = Ids::of_content("shop", 7);
        let error = |text: &str| {
            Line::parse(text.as_bytes(), 1, &ids, &Subjects::default()).expect_err("no line")
        };
        assert!(error("{\"command\": \"X\"}").contains("missing field `data`"));
        assert!(error("{\"command\": 1, \"data\": {}}").contains("invalid type"));
        assert!(error("{\"comand\": \"X\", \"data\": {}}").contains("unknown field `comand`"));
        assert!(error("[]").contains("invalid"));
    }
}
