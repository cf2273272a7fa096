//! What several unit tests need.

use std::path::PathBuf;

use cqrs_core::store::{Append, Boundary, EventQuery, EventType, NewEvent, Tag};
use cqrs_core::{CommandId, Position, Timestamp};
use tempfile::TempDir;

/// A directory with room for a database, deleted in the end.
pub(crate) struct Directory(TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.path().join("log.db")
    }
}

/// One event with this tag and payload.
pub(crate) fn append(tag: &str, payload: &[u8]) -> Append {
    let command = CommandId::new();
    Append {
        command,
        fingerprint: 1,
        events: vec![NewEvent {
            event_type: EventType::new("noted"),
            version: 1,
            tags: [Tag::from(tag)].into_iter().collect(),
            payload: payload.to_vec(),
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

/// One event with this tag, unless there is such a one after this position.
pub(crate) fn unless_after(tag: &str, after: u64) -> Append {
    let fail_if = EventQuery::tagged(Tag::from(tag));
    let boundary = Boundary::new(fail_if, Position::new(after));
    Append {
        boundaries: vec![boundary],
        ..append(tag, b"{}")
    }
}
