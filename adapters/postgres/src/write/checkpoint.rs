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
    /// When it was written, another event was at its position.
    pub(crate) is_lost: bool,
}

/// The checkpoint of a subscription, if it has one.
pub(crate) async fn find(
    client: &Connection,
    sql: &Sql,
    subscription: &str,
) -> Result<Option<CheckpointRow>, Fault> {
    // PostgreSQL stores no text with U+0000 in it, and refuses to look for one.
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

/// Its position only.
pub(crate) async fn position(
    client: &Connection,
    sql: &Sql,
    subscription: &str,
) -> Result<Option<Position>, Fault> {
    let found = find(client, sql, subscription).await?;
    Ok(found.map(|found| found.position))
}

/// Its position, once no other transaction works for the subscription, and none will until this one
/// ends. `schema` tells subscriptions of stores in one database apart.
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

/// Moves the checkpoint to where the batch ends. Returns whether it was where the batch begins.
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
