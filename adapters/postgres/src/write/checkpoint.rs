use cqrs_core::store::{Checkpoint, LastEvent, Shard};
use cqrs_core::{EventId, Position};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::row;
use crate::sql::{LOCK_SHARD, Sql};

/// Reads the checkpoint of a shard, `None` if it has none yet.
pub(crate) async fn find(
    client: &Connection,
    sql: &Sql,
    shard: &Shard,
) -> Result<Option<Checkpoint>, Fault> {
    // PostgreSQL stores no text with U+0000 in it, and rejects one as a parameter.
    if shard.subscription.contains('\0') {
        return Ok(None);
    }
    let select = client.prepare(&sql.select_checkpoint).await?;
    let [first, last] = row::slices(shard.slices);
    let params: [&(dyn ToSql + Sync); 3] = [&shard.subscription, &first, &last];
    let found = client.query_opt(&select, &params).await?;
    found.map(|row| decode(&row, 0)).transpose()
}

/// The checkpoint in the columns from this one on: position, last event, and its position.
pub(crate) fn decode(row: &Row, first: usize) -> Result<Checkpoint, Fault> {
    let last_event = match row.try_get::<_, Option<Uuid>>(first + 1)? {
        None => None,
        Some(id) => Some(LastEvent {
            position: row::position(row, first + 2)?,
            id: EventId::from(id),
        }),
    };
    Ok(Checkpoint {
        position: row::position(row, first)?,
        last_event,
    })
}

/// The position of a checkpoint.
pub(crate) async fn position(
    client: &Connection,
    sql: &Sql,
    shard: &Shard,
) -> Result<Option<Position>, Fault> {
    let found = find(client, sql, shard).await?;
    Ok(found.map(|found| found.position))
}

/// Waits until no other transaction works for the shard, keeps others out until this one ends, and
/// reads the position. `schema` tells apart subscriptions of stores in one database.
pub(crate) async fn lock(
    client: &Connection,
    sql: &Sql,
    schema: &str,
    shard: &Shard,
) -> Result<Option<Position>, Fault> {
    let name = format!("{schema}:{}:{}", shard.subscription, shard.slices);
    let key = xxhash_rust::xxh3::xxh3_64(name.as_bytes()).cast_signed();
    let lock = client.prepare(LOCK_SHARD).await?;
    client.query(&lock, &[&key]).await?;
    position(client, sql, shard).await
}
