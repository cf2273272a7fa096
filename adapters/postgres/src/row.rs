//! Rows as values, and values as parameters.

use std::error::Error;
use std::sync::Arc;

use cqrs_core::store::{
    CustomMetadata, EventData, EventType, Metadata, Recorded, Slices, StoredCommand, Tag, Tags,
};
use cqrs_core::{CommandId, EventId, Position, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::fault::Fault;
use crate::link::connection::Connection;

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: Position,
    /// Time of the last event, in microseconds since 1970.
    pub(crate) time: i64,
    /// Number that every append compares. Raising it shuts out appends in flight: see decision 0009.
    pub(crate) epoch: i64,
    /// Id of the log.
    pub(crate) store: Uuid,
    /// Id of the append that set the head: of the statement, not of a command. Position and epoch do
    /// not identify the predecessor of a batch that is sent before the batch ahead of it is answered:
    /// another process may have written as many events in the place of that one.
    pub(crate) last: Uuid,
}

/// A position as a parameter.
pub(crate) fn number(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

/// A count as a parameter.
pub(crate) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A text without U+0000, which PostgreSQL does not store.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A position from a column.
pub(crate) fn position(row: &Row, column: usize) -> Result<Position, Fault> {
    let number: i64 = row.try_get(column)?;
    match u64::try_from(number) {
        Ok(number) => Ok(Position::new(number)),
        Err(_) => Err(Fault::corrupt(format!("{number} is no position in a log"))),
    }
}

/// The index into an array parameter, from a column with its ordinal, which counts from one.
pub(crate) fn index(row: &Row, column: usize) -> Result<usize, Fault> {
    let ordinal: i64 = row.try_get(column)?;
    Ok(usize::try_from(ordinal - 1).unwrap_or(usize::MAX))
}

pub(crate) fn head(row: &Row) -> Result<Head, Fault> {
    Ok(Head {
        position: position(row, 0)?,
        time: row.try_get(1)?,
        epoch: row.try_get(2)?,
        store: row.try_get(3)?,
        last: row.try_get(4)?,
    })
}

/// The bytes of a column of any type. For columns that each event of a long read has: to check that a column of
/// the store's own tables is a text takes longer than to take the text.
pub(crate) struct RawColumn<'r>(&'r [u8]);

impl<'r> FromSql<'r> for RawColumn<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The event types of one read so far. A log has few types, so its events share their texts.
#[derive(Default)]
pub(crate) struct EventTypes(Vec<EventType>);

impl EventTypes {
    /// Further types are not shared, so that the search stays short.
    const MAX_SHARED_TYPES: usize = 32;

    pub(crate) fn get(&mut self, row: &Row, column: usize) -> Result<EventType, Fault> {
        let RawColumn(name) = row.try_get(column)?;
        self.shared(name)
    }

    /// The type with this name.
    pub(crate) fn named(&mut self, name: &str) -> Result<EventType, Fault> {
        self.shared(name.as_bytes())
    }

    /// Only a name that is not known yet is checked to be a text.
    fn shared(&mut self, name: &[u8]) -> Result<EventType, Fault> {
        let mut known = self.0.iter();
        if let Some(known) = known.find(|it| it.as_str().as_bytes() == name) {
            return Ok(known.clone());
        }
        let event_type = EventType::from(checked_text(name)?);
        if self.0.len() < Self::MAX_SHARED_TYPES {
            self.0.push(event_type.clone());
        }
        Ok(event_type)
    }
}

/// An event from the columns of the table `events`.
pub(crate) fn recorded(row: &Row, types: &mut EventTypes) -> Result<Arc<Recorded>, Fault> {
    let time: i64 = row.try_get(5)?;
    let position = position(row, 0)?;
    let command: Uuid = row.try_get(7)?;
    Ok(Arc::new(Recorded {
        position,
        data: EventData {
            event_type: types.get(row, 2)?,
            version: to_version(row.try_get(3)?, position)?,
            tags: tags(row, 4, 11)?,
            payload: row.try_get(10)?,
        },
        meta: Metadata {
            id: EventId::from(row.try_get::<_, Uuid>(1)?),
            time: Timestamp::from_microsecond(time).map_err(|_| corrupt(position, "time"))?,
            actor: text(row, 6)?.map(str::to_owned),
            command: CommandId::from(command),
            correlation: row.try_get::<_, Option<Uuid>>(8)?.unwrap_or(command),
            causation: row.try_get::<_, Option<Uuid>>(9)?.unwrap_or(command),
            custom: CustomMetadata::default(),
        },
    }))
}

/// The version of an event from a column that is NULL if it is 1.
pub(crate) fn version(row: &Row, column: usize, position: Position) -> Result<u32, Fault> {
    let stored: Option<i64> = row.try_get(column)?;
    to_version(stored.unwrap_or(1), position)
}

fn to_version(version: i64, position: Position) -> Result<u32, Fault> {
    u32::try_from(version).map_err(|_| corrupt(position, "version"))
}

#[cold]
fn corrupt(position: Position, what: &str) -> Fault {
    Fault::corrupt(format!(
        "the event at position {position} has an impossible {what}"
    ))
}

/// The tags of an event: all of them, if they are more than one or were written by an earlier version,
/// else the one tag that it has.
pub(crate) fn tags(row: &Row, all_tags: usize, tag: usize) -> Result<Tags, Fault> {
    stored_tags(text(row, all_tags)?, text(row, tag)?)
}

/// A text of the store's own tables, or `None` for NULL.
fn text(row: &Row, column: usize) -> Result<Option<&str>, Fault> {
    let raw: Option<RawColumn<'_>> = row.try_get(column)?;
    raw.map(|RawColumn(bytes)| checked_text(bytes)).transpose()
}

fn checked_text(bytes: &[u8]) -> Result<&str, Fault> {
    str::from_utf8(bytes).map_err(|error| Fault::corrupt(format!("a text has {error}")))
}

/// As [`tags`], from the values of the two columns.
pub(crate) fn stored_tags(all_tags: Option<&str>, tag: Option<&str>) -> Result<Tags, Fault> {
    let Some(stored) = all_tags else {
        return Ok(tag.map(Tag::from).into_iter().collect());
    };
    Tags::from_json(stored)
        .map_err(|error| Fault::corrupt(format!("tags {stored} cannot be read: {error}")))
}

/// Makes rows durable that were read on this connection, before they are handed on (I7). The column
/// `is_durable` tells whether they are already.
pub(crate) async fn flush_before_use(
    connection: &Connection,
    rows: impl IntoIterator<Item = &Row>,
) -> Result<(), Fault> {
    for row in rows {
        if !row.try_get::<_, bool>("is_durable")? {
            return Ok(connection.flush().await?);
        }
    }
    Ok(())
}

pub(crate) fn command(row: &Row) -> Result<(CommandId, StoredCommand), Fault> {
    let fingerprint: i64 = row.try_get(1)?;
    let first = position(row, 2)?;
    let count = position(row, 3)?.get();
    let stored = StoredCommand::new(fingerprint.cast_unsigned(), first, count);
    Ok((CommandId::from(row.try_get::<_, Uuid>(0)?), stored))
}

/// The first and the last slice as columns have them.
pub(crate) fn slices(slices: Slices) -> [i16; 2] {
    // At most 1,023.
    [slices.first(), slices.last()].map(u16::cast_signed)
}
