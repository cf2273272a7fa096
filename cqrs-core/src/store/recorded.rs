use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Position, Tags};
use crate::{CommandId, EventId, Timestamp};

/// An event's wire name. Clones of one that was stored share its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct EventType(Name);

#[derive(Clone, Debug)]
enum Name {
    Known(&'static str),
    Stored(Arc<str>),
}

impl EventType {
    /// A name known to this program.
    pub const fn new(name: &'static str) -> Self {
        Self(Name::Known(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Stored(name) => name,
        }
    }
}

impl From<&str> for EventType {
    /// A name as a store wrote it.
    fn from(stored: &str) -> Self {
        Self(Name::Stored(stored.into()))
    }
}

impl From<String> for EventType {
    /// A name as a store wrote it.
    fn from(stored: String) -> Self {
        Self(Name::Stored(stored.into()))
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.as_str().to_owned()
    }
}

impl PartialEq for EventType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for EventType {}

impl PartialOrd for EventType {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EventType {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for EventType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event as stored, with all that is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the log.
    pub position: Position,
    /// Its identity.
    pub id: EventId,
    /// Its wire name.
    pub event_type: EventType,
    /// The version of its wire format.
    pub version: u32,
    /// What it concerns.
    pub tags: Tags,
    /// When it was recorded, to the microsecond; never earlier than the event before it.
    pub time: Timestamp,
    /// Who sent the command, if anyone said.
    pub actor: Option<String>,
    /// The command that it came from.
    pub command: CommandId,
    /// The conversation that it belongs to.
    pub correlation: Uuid,
    /// What caused the command: an event's id when a reaction sent it, else the command's own id.
    pub causation: Uuid,
    /// The event as JSON.
    pub payload: Vec<u8>,
}

impl Recorded {
    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        let tags = self.tags.iter().map(|tag| tag.as_str().len());
        size_of::<Self>()
            + self.payload.len()
            + self.actor.as_ref().map_or(0, String::len)
            + tags.sum::<usize>()
    }

    /// The payload as JSON, for display.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap_or(serde_json::Value::Null)
    }
}
