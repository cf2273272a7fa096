use uuid::Uuid;

use super::{CustomMetadata, EventType, Position, Tags};
use crate::{CommandId, EventId, Timestamp};

/// The part of an event that its command decides, and that a fold needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventData {
    /// Wire name.
    pub event_type: EventType,
    /// Version of the wire format.
    pub version: u32,
    /// Tags of the aggregates that the event concerns.
    pub tags: Tags,
    /// The event as JSON.
    pub payload: Vec<u8>,
}

/// The part of an event that comes from its append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Identity of the event, derived from its command: see [`EventId::of`].
    pub id: EventId,
    /// Time of the append, in microseconds. In a log with
    /// [`ordered_times`](super::Capabilities::ordered_times), never earlier than that of the event
    /// before.
    pub time: Timestamp,
    /// Actor that sent the command, if one was set.
    pub actor: Option<String>,
    /// The command that the event comes from.
    pub command: CommandId,
    /// Correlation id, shared by all commands and events that one request leads to.
    pub correlation: Uuid,
    /// Cause of the command. The id of an event if a reaction sent the command, else the command's
    /// own id.
    pub causation: Uuid,
    /// Custom metadata of the command.
    pub custom: CustomMetadata,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Place in the log.
    pub position: Position,
    /// The event.
    pub data: EventData,
    /// Time, actor and origin.
    pub meta: Metadata,
}

impl EventData {
    /// Approximate size in memory, in bytes.
    pub fn size(&self) -> usize {
        let tags = self.tags.iter().map(|tag| tag.as_str().len());
        size_of::<Self>() + self.payload.len() + tags.sum::<usize>()
    }

    /// The payload as JSON, for display. [`Null`](serde_json::Value::Null) if it is not valid JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap_or(serde_json::Value::Null)
    }
}

impl Recorded {
    /// Approximate size in memory, in bytes.
    pub fn size(&self) -> usize {
        let actor = self.meta.actor.as_ref().map_or(0, String::len);
        let meta = size_of::<Metadata>() + actor + self.meta.custom.size();
        size_of::<Position>() + meta + self.data.size()
    }
}
