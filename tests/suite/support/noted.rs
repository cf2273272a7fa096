use cqrs_core::store::{Append, EventType, NewEvent, Tag};
use cqrs_core::{CommandId, Timestamp};

/// A command with one event and without a boundary.
pub fn noted() -> Append {
    let command = CommandId::new();
    Append {
        command,
        fingerprint: 0,
        events: vec![NewEvent {
            event_type: EventType::new("noted"),
            version: 1,
            tags: [Tag::new("book", "B")].into_iter().collect(),
            payload: b"{}".to_vec(),
        }],
        boundaries: Vec::new(),
        states: Vec::new(),
        time: Timestamp::now(),
        actor: None,
        correlation: command.as_uuid(),
        causation: command.as_uuid(),
        ticket: None,
    }
}
