use cqrs_core::Position;
use cqrs_core::store::ViewBatch;
use tokio_postgres::types::ToSql;

use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::row;
use crate::sql::{LOCK_SUBSCRIPTION, Sql};

/// The checkpoint of a subscription.
pub(crate) struct CheckpointRow {
    pub(crate) position: Position,
    /// The head, in the same snapshot.
    pub(crate) head: Position,
    /// Another event was at its position when it was written, so the log has lost events since.
    pub(crate) is_lost: bool,
}

/// Reads the checkpoint of a subscription, `None` if it has none yet.
pub(crate) async fn find(
    client: &Connection,
    sql: &Sql,
    subscription: &str,
) -> Result<Option<CheckpointRow>, Fault> {
    // PostgreSQL stores no text with U+0000 in it, and rejects one as a parameter.
    if subscription.contains('\0') {
        return Ok(None);
    }
    let select = client.prepare(&sql.select_checkpoint).await?;
    let Some(row) = client.query_opt(&select, &[&subscription]).await? else {
        return Ok(None);
    };
    Ok(Some(CheckpointRow {
        position: row::position(&row, 0)?,
        head: row::position(&row, 1)?,
        is_lost: !row.try_get::<_, bool>(2)?,
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
    let key = format!("{schema}:{subscription}");
    let key = xxhash_rust::xxh3::xxh3_64(key.as_bytes()).cast_signed();
    let lock = client.prepare(LOCK_SUBSCRIPTION).await?;
    client.query(&lock, &[&key]).await?;
    position(client, sql, subscription).await
}

/// Moves the checkpoint from the start of the batch to its end. Returns `false`, and writes nothing,
/// if the checkpoint is elsewhere: another worker has committed these events (V2).
pub(crate) async fn advance(
    client: &Connection,
    sql: &Sql,
    batch: &ViewBatch,
) -> Result<bool, Fault> {
    let to = row::number(batch.to);
    let from = batch.from.map(row::number);
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&batch.subscription, &to];
    let statement = match &from {
        Some(from) => {
            params.push(from);
            client.prepare(&sql.move_checkpoint).await?
        }
        None => client.prepare(&sql.insert_checkpoint).await?,
    };
    Ok(client.execute(&statement, &params).await? == 1)
}
