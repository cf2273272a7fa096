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

/// Whether an error, or one of its causes, is that an event has a newer version than this program knows.
pub(crate) fn is_of_newer_version(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<NewerVersion>() {
            return true;
        }
        cause = error.source();
    }
    false
}
