//! What a shard has handled beyond its checkpoint, as text for a column.

use cqrs_core::store::{Ahead, Checkpoint, LastEvent, Slices};
use cqrs_core::{EventId, Position};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One range of slices.
#[derive(Serialize, Deserialize)]
struct StoredRange {
    first: u16,
    last: u16,
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<StoredEvent>,
}

#[derive(Serialize, Deserialize)]
struct StoredEvent {
    position: u64,
    id: Uuid,
}

/// A column that is no list of ranges.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {stored}")]
pub struct UnreadableAhead {
    stored: String,
    reason: String,
}

/// The text of a column, `None` for an empty list.
pub fn encode(ahead: &[Ahead]) -> Option<String> {
    if ahead.is_empty() {
        return None;
    }
    let ranges = ahead.iter().map(|it| StoredRange {
        first: it.slices.first(),
        last: it.slices.last(),
        position: it.checkpoint.position.get(),
        event: it.checkpoint.last_event.map(|event| StoredEvent {
            position: event.position.get(),
            id: event.id.as_uuid(),
        }),
    });
    // Numbers and ids have a JSON.
    serde_json::to_string(&ranges.collect::<Vec<_>>()).ok()
}

/// The list in a column.
///
/// # Errors
/// When the text is something else.
pub fn decode(stored: Option<&str>) -> Result<Vec<Ahead>, UnreadableAhead> {
    let Some(stored) = stored else {
        return Ok(Vec::new());
    };
    let unreadable = |reason: &dyn std::fmt::Display| UnreadableAhead {
        stored: stored.to_owned(),
        reason: reason.to_string(),
    };
    let ranges: Vec<StoredRange> = serde_json::from_str(stored).map_err(|why| unreadable(&why))?;
    let ahead = ranges.into_iter().map(|range| {
        Ok(Ahead {
            slices: Slices::new(range.first, range.last)
                .ok_or_else(|| unreadable(&"there are no such slices"))?,
            checkpoint: Checkpoint {
                position: Position::new(range.position),
                last_event: range.event.map(|event| LastEvent {
                    position: Position::new(event.position),
                    id: EventId::from(event.id),
                }),
            },
        })
    });
    ahead.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let slices = |first, last| Slices::new(first, last).expect("slices");
        let ahead = [
            Ahead {
                slices: slices(0, 511),
                checkpoint: Position::new(7).into(),
            },
            Ahead {
                slices: slices(900, 1023),
                checkpoint: Checkpoint {
                    position: Position::new(u64::MAX),
                    last_event: Some(LastEvent {
                        position: Position::new(12),
                        id: EventId::from(Uuid::from_u128(3)),
                    }),
                },
            },
        ];
        let stored = encode(&ahead).expect("a list");
        assert_eq!(decode(Some(&stored)), Ok(ahead.to_vec()));
        assert_eq!((encode(&[]), decode(None)), (None, Ok(Vec::new())));
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [
            "",
            "{}",
            r#"[{"first":3,"last":2,"position":1}]"#,
            r#"[{"first":0,"last":1024,"position":1}]"#,
        ] {
            assert!(decode(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
