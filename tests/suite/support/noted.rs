use cqrs_core::CommandId;
use cqrs_core::store::{Append, EventData, EventType, Tag};

/// A command with one event and without a boundary.
pub fn noted() -> Append {
    let event = EventData {
        event_type: EventType::new("noted"),
        version: 1,
        tags: Tag::new("book", "B").into(),
        payload: b"{}".to_vec(),
    };
    Append::new(CommandId::new(), vec![event])
}
