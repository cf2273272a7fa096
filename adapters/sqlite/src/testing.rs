//! What several unit tests need.

use std::path::PathBuf;

use cqrs_core::store::{Append, EventData, EventQuery, EventType, Tag};
use cqrs_core::{CommandId, Position};
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
    let event = EventData {
        event_type: EventType::new("noted"),
        version: 1,
        tags: Tag::from(tag).into(),
        payload: payload.to_vec(),
    };
    Append::new(CommandId::new(), vec![event]).fingerprint(1)
}

/// One event with this tag, unless there is such a one after this position.
pub(crate) fn unless_after(tag: &str, after: u64) -> Append {
    let fail_if = EventQuery::tagged(Tag::from(tag));
    append(tag, b"{}").unless(fail_if, Position::new(after))
}
