//! Parked keys: their changes in a commit, and their release.

use cqrs_core::Position;
use cqrs_core::store::{KeyRelease, ParkedChange, ParkedKey, Slices, ViewBatch};
use tokio_postgres::types::ToSql;

use crate::dialect::encode_key;
use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::row;
use crate::sql::Sql;
use crate::store::Shared;
use crate::transaction::pooled::PooledTransaction;

/// Number of attempts to release keys while the subscription is divided.
const ATTEMPTS: u32 = 10;

/// Changes the parked keys of a batch, in a transaction. Returns whether each of them was parked as the
/// batch requires: if not, the transaction must be rolled back.
///
/// The shard is locked first. A batch may end where it begins, and be sent a second time while the first
/// one is committed without an answer: then only the keys tell that it was.
pub(crate) async fn change(
    client: &Connection,
    sql: &Sql,
    batch: &ViewBatch,
) -> Result<bool, Fault> {
    let subscription = batch.shard.subscription.as_str();
    let [first, last] = row::slices(batch.shard.slices);
    let lock = client.prepare(&sql.lock_shard_row).await?;
    client.query(&lock, &[&subscription, &first, &last]).await?;
    for change in &batch.parked {
        let changed = match change {
            ParkedChange::Park(to) => put(client, &sql.park_key, subscription, to, None).await?,
            ParkedChange::Move { from, to } => {
                put(client, &sql.move_parked_key, subscription, to, Some(*from)).await?
            }
            ParkedChange::Unpark { key, from } => {
                let unpark = client.prepare(&sql.unpark_key).await?;
                let slice = Slices::of_tag(key).cast_signed();
                let params: [&(dyn ToSql + Sync); 4] =
                    [&subscription, &encode_key(key), &slice, &row::number(*from)];
                client.execute(&unpark, &params).await?
            }
        };
        if changed == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn put(
    client: &Connection,
    statement: &str,
    subscription: &str,
    parked: &ParkedKey,
    from: Option<Position>,
) -> Result<u64, Fault> {
    let put = client.prepare(statement).await?;
    let (key, cause) = (encode_key(&parked.key), row::without_nul(&parked.cause));
    let slice = parked.slice().cast_signed();
    let first = row::number(parked.first);
    let since = parked.since.as_microsecond();
    let from = from.map(row::number);
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![
        &subscription,
        &key,
        &slice,
        &parked.partition,
        &first,
        &cause,
        &since,
        &parked.is_released,
    ];
    if let Some(from) = &from {
        params.push(from);
    }
    Ok(client.execute(&put, &params).await?)
}

/// Releases parked keys of a subscription. Returns their number.
pub(crate) async fn release(shared: &Shared, release: &KeyRelease) -> Result<u64, Fault> {
    let mut attempt = 1;
    loop {
        match attempt_to(shared, release).await {
            Err(fault) if fault.kind() == Kind::Contention && attempt < ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

async fn attempt_to(shared: &Shared, release: &KeyRelease) -> Result<u64, Fault> {
    let sql = &shared.sql;
    let client = shared.pool.get().await?;
    let lock = client.prepare(&sql.lock_shards).await?;
    let mark = client.prepare(&sql.release_keys).await?;
    // Rolled back on drop.
    let transaction = PooledTransaction::new(client, PooledTransaction::READ_COMMITTED);
    transaction.begin().await?;
    // First, as commits do, so that neither waits for the other. The next statement sees what they have
    // committed.
    transaction.query(&lock, &[&release.subscription]).await?;
    let key = release.key.as_deref().map(encode_key);
    let skipped = release.skipped.as_ref();
    let skipped_key = skipped.and_then(|event| event.key.as_deref());
    let params: [&(dyn ToSql + Sync); 6] = [
        &release.subscription,
        &key,
        &skipped.map(|event| row::number(event.position)),
        &skipped.map(|event| row::without_nul(&event.reason)),
        &skipped.map(|event| event.time.as_microsecond()),
        &skipped_key.map(encode_key).unwrap_or_default(),
    ];
    let row = transaction.query_one(&mark, &params).await?;
    let released: i64 = row.try_get(0)?;
    transaction.commit().await?;
    Ok(released.cast_unsigned())
}
