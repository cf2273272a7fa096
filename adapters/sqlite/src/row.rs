//! Conversion of rows into the types of the store contract.

use cqrs_core::store::{
    Checkpoint, CustomMetadata, EventData, EventType, LastEvent, Metadata, Recorded, Shard,
    StoredCommand, Tag, Tags,
};
use cqrs_core::{CommandId, EventId, Position, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::fault::Fault;
use crate::read::Matcher;
use crate::sql;

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: Position,
    /// Time of the last event, in microseconds since 1970.
    pub(crate) time: i64,
}

impl Head {
    /// The end of an empty log. It has the earliest time, so it raises no event's time.
    pub(crate) const EMPTY: Self = Self {
        position: Position::START,
        time: i64::MIN,
    };
}

/// The end of the log.
pub(crate) fn head(conn: &Connection) -> rusqlite::Result<Head> {
    let mut statement = conn.prepare_cached(sql::HEAD)?;
    let last = statement.query_row([], |row| {
        Ok(Head {
            position: position(row, 0)?,
            time: row.get(1)?,
        })
    });
    Ok(last.optional()?.unwrap_or(Head::EMPTY))
}

/// The version of the database. It changes when another connection commits, of this process or of another
/// one, and not when this connection does.
pub(crate) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    let mut statement = conn.prepare_cached(sql::DATA_VERSION)?;
    statement.query_row([], |row| row.get(0))
}

/// The record of a command id, `None` if the command was not processed.
pub(crate) fn command(conn: &Connection, id: CommandId) -> rusqlite::Result<Option<StoredCommand>> {
    let given = stored_command(conn, id, sql::SELECT_COMMAND)?;
    if given.is_some() || !id.is_assigned() {
        return Ok(given);
    }
    stored_command(conn, id, sql::SELECT_ASSIGNED)
}

fn stored_command(
    conn: &Connection,
    id: CommandId,
    select: &str,
) -> rusqlite::Result<Option<StoredCommand>> {
    let mut statement = conn.prepare_cached(select)?;
    let stored = statement.query_row([&id.as_uuid().as_bytes()[..]], |row| {
        let first = position(row, 1)?;
        let count = row.get::<_, i64>(2)?.cast_unsigned();
        let fingerprint = row.get::<_, i64>(0)?.cast_unsigned();
        Ok(StoredCommand::new(fingerprint, first, count))
    });
    stored.optional()
}

/// The checkpoint of a shard, `None` if it has none yet.
pub(crate) fn checkpoint(conn: &Connection, of: &Shard) -> Result<Option<Checkpoint>, Fault> {
    let mut statement = conn.prepare_cached(sql::SELECT_CHECKPOINT)?;
    let mut rows = statement.query((&of.subscription, of.slices.first(), of.slices.last()))?;
    rows.next()?.map(decode_checkpoint).transpose()
}

/// The checkpoint in the first three columns: position, last event, and its position.
pub(crate) fn decode_checkpoint(row: &Row<'_>) -> Result<Checkpoint, Fault> {
    let last_event = match row.get_ref(1)? {
        ValueRef::Null => None,
        id => {
            let id = uuid(id).map_err(|why| Fault::corrupt(format!("a checkpoint: {why}")))?;
            Some(LastEvent {
                position: position(row, 2)?,
                id: EventId::from(id),
            })
        }
    };
    Ok(Checkpoint {
        position: position(row, 0)?,
        last_event,
    })
}

/// The event in this row, `None` if it does not match. Payload and metadata of events that do not match
/// are not read.
pub(crate) fn matching(row: &Row<'_>, query: &Matcher<'_>) -> Result<Option<Recorded>, Fault> {
    let position = position(row, 0)?;
    let recorded = matching_at(position, row, query);
    recorded.map_err(|why| Fault::corrupt(format!("the event at position {position}: {why}")))
}

/// The position in this column.
pub(crate) fn position(row: &Row<'_>, column: usize) -> rusqlite::Result<Position> {
    Ok(Position::new(row.get::<_, i64>(column)?.cast_unsigned()))
}

/// A position as an integer of SQLite. The largest integer is beyond the end of any log, so larger
/// positions become that.
pub(crate) fn number(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

fn matching_at(
    position: Position,
    row: &Row<'_>,
    query: &Matcher<'_>,
) -> Result<Option<Recorded>, Box<dyn std::error::Error>> {
    let event_type = EventType::from(row.get::<_, String>(2)?);
    let tags = tags(row)?;
    if !query.matches(&event_type, &tags) {
        return Ok(None);
    }
    let command = uuid(row.get_ref(7)?)?;
    let or_command = |column| match row.get_ref(column)? {
        ValueRef::Blob([]) => Ok(command),
        id => uuid(id),
    };
    Ok(Some(Recorded {
        position,
        data: EventData {
            event_type,
            version: row.get(3)?,
            tags,
            payload: row.get_ref(10)?.as_blob()?.to_vec(),
        },
        meta: Metadata {
            id: EventId::from(uuid(row.get_ref(1)?)?),
            time: Timestamp::from_microsecond(row.get(5)?)?,
            actor: row.get(6)?,
            command: CommandId::from(command),
            correlation: or_command(8)?,
            causation: or_command(9)?,
            custom: match row.get_ref(12)?.as_str_or_null()? {
                None => CustomMetadata::default(),
                Some(json) => CustomMetadata::from_json(json)?,
            },
        },
    }))
}

/// The tags of an event: all of them, if they are more than one or were written by an earlier version,
/// else the one tag that it has.
fn tags(row: &Row<'_>) -> Result<Tags, Box<dyn std::error::Error>> {
    match row.get_ref(4)?.as_str()? {
        "" => {
            let tag = row.get_ref(11)?.as_str_or_null()?;
            Ok(tag.map(Tag::from).into_iter().collect())
        }
        all_tags => Ok(Tags::from_json(all_tags)?),
    }
}

pub(crate) fn uuid(column: ValueRef<'_>) -> Result<Uuid, Box<dyn std::error::Error>> {
    Ok(Uuid::from_slice(column.as_blob()?)?)
}
