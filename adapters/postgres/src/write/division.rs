use cqrs_core::store::{Division, ShardState};
use cqrs_kit::ahead;
use tokio_postgres::types::ToSql;

use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::row;
use crate::shard_rows::{PAUSED, roster};
use crate::sql::Sql;
use crate::store::Shared;
use crate::transaction::pooled::PooledTransaction;

/// Number of attempts to divide a subscription while other processes divide it, or store its first shard.
const ATTEMPTS: u32 = 10;

/// Puts other shards in the place of those of a subscription.
pub(crate) async fn divide(shared: &Shared, division: &Division) -> Result<bool, Fault> {
    let mut attempt = 1;
    loop {
        match attempt_to(shared, division).await {
            Err(fault)
                if matches!(fault.kind(), Kind::Duplicate | Kind::Contention)
                    && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn attempt_to(shared: &Shared, division: &Division) -> Result<bool, Fault> {
    let sql = &shared.sql;
    let client = shared.pool.get().await?;
    let lock = client.prepare(&sql.lock_shards).await?;
    // Rolled back on drop.
    let transaction = PooledTransaction::new(client, PooledTransaction::READ_COMMITTED);
    transaction.begin().await?;
    let subscription = division.subscription();
    let rows = transaction.query(&lock, &[&subscription]).await?;
    let Some(divided) = division.apply(&roster(&rows)?.shards) else {
        return Ok(false);
    };
    insert_shards(&transaction, sql, (subscription, rows.len()), divided).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Puts shards in the place of all others of their subscription, which are locked, and of which there are this many.
pub(super) async fn insert_shards(
    transaction: &Connection,
    sql: &Sql,
    (subscription, former): (&str, usize),
    shards: Vec<ShardState>,
) -> Result<(), Fault> {
    let delete = transaction.prepare(&sql.delete_shards).await?;
    let insert = transaction.prepare(&sql.insert_divided_shard).await?;
    // Each statement sees what was committed before it. After a wait for another division, the first one
    // has found nothing, and the second one would delete the shards of that. Two divisions of a new
    // subscription meet at the first slice, which some shard of each begins with.
    let deleted = transaction.execute(&delete, &[&subscription]).await?;
    if usize::try_from(deleted).ok() != Some(former) {
        return Err(Fault::new(
            Kind::Contention,
            "another process has divided it",
        ));
    }
    for state in shards {
        let ShardState {
            shard,
            epoch,
            checkpoint,
            halt,
            ahead,
            partition,
            ..
        } = state;
        let [first, last] = row::slices(shard.slices);
        let event = checkpoint.and_then(|checkpoint| checkpoint.last_event);
        let params: [&(dyn ToSql + Sync); 12] = [
            &subscription,
            &first,
            &last,
            &epoch.get().cast_signed(),
            &checkpoint.map(|checkpoint| row::number(checkpoint.position)),
            &event.map(|event| event.id.as_uuid()),
            &event.map(|event| row::number(event.position)),
            &halt.as_ref().map(|_| PAUSED),
            &halt.as_ref().map(|halt| halt.reason.as_str()),
            &halt.as_ref().map(|halt| halt.since.as_microsecond()),
            &ahead::encode(&ahead),
            &partition,
        ];
        transaction.execute(&insert, &params).await?;
    }
    Ok(())
}
