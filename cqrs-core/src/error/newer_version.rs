use crate::store::{EventType, Position};

/// An event has a newer version than this program knows.
#[derive(Debug, thiserror::Error)]
#[error(
    "event `{event_type}`{} has version {version}, this program knows up to {known}: update this program \
     before it reads the log",
    .position.map_or_else(String::new, |position| format!(" at position {position}"))
)]
pub(crate) struct NewerVersion {
    pub(crate) event_type: EventType,
    /// `None` for an event that is not recorded yet.
    pub(crate) position: Option<Position>,
    pub(crate) version: u32,
    pub(crate) known: u32,
}
