//! Rows as values, and values as parameters.

use std::sync::Arc;

use cqrs_core::store::{EventType, Recorded, StoredCommand, Tag, Tags};
use cqrs_core::{CommandId, EventId, Position, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::fault::Fault;

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: Position,
    /// Of the last event, microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) epoch: i64,
    pub(crate) store: Uuid,
}

/// A position as a parameter.
pub(crate) fn number(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

/// A position from a column.
pub(crate) fn position(row: &Row, column: usize) -> Result<Position, Fault> {
    let number: i64 = row.try_get(column)?;
    let number = u64::try_from(number)
        .map_err(|_| Fault::corrupt(format!("{number} is no position in a log")))?;
    Ok(Position::new(number))
}

pub(crate) fn head(row: &Row) -> Result<Head, Fault> {
    Ok(Head {
        position: position(row, 0)?,
        time: row.try_get(1)?,
        epoch: row.try_get(2)?,
        store: row.try_get(3)?,
    })
}

/// An event from the columns of `events`, the first of which is at `from`.
pub(crate) fn recorded(row: &Row, from: usize) -> Result<Arc<Recorded>, Fault> {
    let version: i64 = row.try_get(from + 3)?;
    let time: i64 = row.try_get(from + 5)?;
    let position = position(row, from)?;
    let odd = |what: &str| Fault::corrupt(format!("the event at position {position} has {what}"));
    Ok(Arc::new(Recorded {
        position,
        id: EventId::from(row.try_get::<_, Uuid>(from + 1)?),
        event_type: event_type(row, from + 2)?,
        version: u32::try_from(version).map_err(|_| odd("an impossible version"))?,
        tags: tags(row, from + 4)?,
        time: Timestamp::from_microsecond(time).map_err(|_| odd("an impossible time"))?,
        actor: row.try_get(from + 6)?,
        command: CommandId::from(row.try_get::<_, Uuid>(from + 7)?),
        correlation: row.try_get(from + 8)?,
        causation: row.try_get(from + 9)?,
        payload: row.try_get(from + 10)?,
    }))
}

pub(crate) fn event_type(row: &Row, column: usize) -> Result<EventType, Fault> {
    Ok(EventType::from(row.try_get::<_, String>(column)?))
}

pub(crate) fn tags(row: &Row, column: usize) -> Result<Tags, Fault> {
    let stored: &str = row.try_get(column)?;
    serde_json::from_str(stored)
        .map_err(|error| Fault::corrupt(format!("tags {stored} cannot be read: {error}")))
}

/// Tags as they are stored.
pub(crate) fn tags_json(tags: &Tags) -> Result<String, Fault> {
    let texts: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    serde_json::to_string(&texts).map_err(|error| Fault::data(error.to_string()))
}

pub(crate) fn command(row: &Row) -> Result<(CommandId, StoredCommand), Fault> {
    let fingerprint: i64 = row.try_get(1)?;
    let first = position(row, 2)?;
    let count = position(row, 3)?.get();
    let stored = StoredCommand {
        fingerprint: fingerprint.cast_unsigned(),
        first,
        last: first.plus(count.saturating_sub(1)),
        count,
    };
    Ok((CommandId::from(row.try_get::<_, Uuid>(0)?), stored))
}
