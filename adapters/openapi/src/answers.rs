use serde_json::{Value, json};

/// The schema of a receipt.
pub(crate) fn receipt() -> Value {
    let position = json!({"type": "integer", "minimum": 0});
    json!({
        "type": "object",
        "description": "The result of a command: its id, and the positions of its events.",
        "required": ["command", "first", "last", "events", "replayed", "log"],
        "properties": {
            "command": {"type": "string", "format": "uuid", "description": "The id of the command."},
            "first": described(&position, "The position of its first event. That of the log's end, if it has none."),
            "last": described(&position, "The position of its last event."),
            "events": described(&position, "The number of its events."),
            "replayed": {
                "type": "boolean",
                "description": "Whether the command was carried out by an earlier request.",
            },
            "log": described(&position, "A fingerprint of the log's id."),
            "slices": {"type": "string", "description": "The slices of the tags of its events."},
        },
    })
}

/// One of them.
pub(crate) fn receipt_example() -> Value {
    json!({
        "command": "0198c0de-0000-7000-8000-000000000001",
        "first": 17,
        "last": 17,
        "events": 1,
        "replayed": false,
        "log": 2_864_434_397_u32,
    })
}

fn described(schema: &Value, description: &str) -> Value {
    let mut described = schema.clone();
    described["description"] = description.into();
    described
}
