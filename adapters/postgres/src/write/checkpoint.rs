use cqrs_core::store::{Checkpoint, LastEvent};
use cqrs_core::{EventId, Position};
use uuid::Uuid;

use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::row;
use crate::sql::{LOCK_SUBSCRIPTION, Sql};

/// Reads the checkpoint of a subscription, `None` if it has none yet.
pub(crate) async fn find(
    client: &Connection,
    sql: &Sql,
    subscription: &str,
) -> Result<Option<Checkpoint>, Fault> {
    // PostgreSQL stores no text with U+0000 in it, and rejects one as a parameter.
    if subscription.contains('\0') {
        return Ok(None);
    }
    let select = client.prepare(&sql.select_checkpoint).await?;
    let Some(row) = client.query_opt(&select, &[&subscription]).await? else {
        return Ok(None);
    };
    let last_event = match row.try_get::<_, Option<Uuid>>(1)? {
        None => None,
        Some(id) => Some(LastEvent {
            position: row::position(&row, 2)?,
            id: EventId::from(id),
        }),
    };
    Ok(Some(Checkpoint {
        position: row::position(&row, 0)?,
        last_event,
    }))
}

/// The position of a checkpoint.
pub(crate) async fn position(
    client: &Connection,
    sql: &Sql,
    subscription: &str,
) -> Result<Option<Position>, Fault> {
    let found = find(client, sql, subscription).await?;
    Ok(found.map(|found| found.position))
}

/// Waits until no other transaction works for the subscription, keeps others out until this one
/// ends, and reads the position. `schema` tells apart subscriptions of stores in one database.
pub(crate) async fn lock(
    client: &Connection,
    sql: &Sql,
    schema: &str,
    subscription: &str,
) -> Result<Option<Position>, Fault> {
    let name = format!("{schema}:{subscription}");
    let key = xxhash_rust::xxh3::xxh3_64(name.as_bytes()).cast_signed();
    let lock = client.prepare(LOCK_SUBSCRIPTION).await?;
    client.query(&lock, &[&key]).await?;
    position(client, sql, subscription).await
}
