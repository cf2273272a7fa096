use cqrs_core::store::{ModelSchema, Replacement, ReplacementOutcome, ShardState};

use super::division::insert_shards;
use super::models::DELETE_MODEL;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::dialect::{self, Table};
use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::shard_rows::roster;
use crate::store::Shared;
use crate::transaction::pooled::PooledTransaction;

/// Maximum time to wait for a lock: less than after which PostgreSQL looks for a deadlock, so that this
/// transaction gives way and not another one. Queries wait as long, behind this wait for a table.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = 200";

/// Puts views that were built again in the place of those of a version.
pub(crate) async fn replace(
    shared: &Shared,
    replacement: &Replacement,
) -> Result<ReplacementOutcome, Fault> {
    match attempt_to(shared, replacement).await {
        Err(fault) if fault.kind() == Kind::Contention => Ok(ReplacementOutcome::InUse),
        // The subscription has other shards by now.
        Err(fault) if fault.kind() == Kind::Duplicate => Ok(ReplacementOutcome::Refused),
        outcome => outcome,
    }
}

async fn attempt_to(
    shared: &Shared,
    replacement: &Replacement,
) -> Result<ReplacementOutcome, Fault> {
    let sql = &shared.sql;
    let Replacement {
        subscription,
        rebuilt,
        models,
        ..
    } = replacement;
    let client = shared.pool.get().await?;
    let select = client.prepare(&sql.select_shards).await?;
    let lock = client.prepare(&sql.lock_shards).await?;
    // Rolled back on drop.
    let transaction = PooledTransaction::new(client, PooledTransaction::READ_COMMITTED);
    transaction.begin().await?;
    transaction.batch_execute(LOCK_TIMEOUT).await?;
    let key = format!("{} {rebuilt}", shared.schema);
    transaction.select_one(&sql.lock_versions, &[&key]).await?;
    // Another process may have replaced them, and then there is no table to lock.
    if states(&transaction, &select, replacement).await?.is_none() {
        return Ok(ReplacementOutcome::Refused);
    }
    let mut tables = Vec::with_capacity(models.len());
    for (model, name) in models {
        let again = ModelSchema {
            table: name.clone(),
            ..model.clone()
        };
        let present = Table::new(&shared.schema, model)?;
        let again = Table::new(&shared.schema, &again)?;
        // Before the shards: a commit has its table first, and then waits for its shard.
        transaction.batch_execute(&dialect::lock(&present)).await?;
        transaction.batch_execute(&dialect::lock(&again)).await?;
        tables.push((present, again));
    }
    let Some((former, replaced)) = states(&transaction, &lock, replacement).await? else {
        return Ok(ReplacementOutcome::Refused);
    };
    insert_shards(&transaction, sql, (subscription, former), replaced).await?;
    for (statement, params) in [
        (&sql.forget_parked, &[subscription] as &[&String]),
        (&sql.move_parked, &[subscription, rebuilt]),
        (&sql.forget_shards, &[rebuilt]),
    ] {
        let statement = transaction.prepare(statement).await?;
        let params: Vec<_> = params.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
        transaction.execute(&statement, &params).await?;
    }
    let delete = shared.schema.apply(DELETE_MODEL);
    let delete_model = transaction.prepare(&delete).await?;
    for (present, again) in tables {
        let replace = dialect::replace(&shared.schema, &present, &again);
        transaction.batch_execute(&replace).await?;
        let name = again.model().to_owned();
        transaction.execute(&delete_model, &[&name]).await?;
    }
    transaction.commit().await?;
    Ok(ReplacementOutcome::Replaced)
}

/// The number of shards that are to be replaced, and those to put in their place. `None` if that is not allowed.
async fn states(
    transaction: &Connection,
    select: &Statement,
    replacement: &Replacement,
) -> Result<Option<(usize, Vec<ShardState>)>, Fault> {
    let present = transaction
        .query(select, &[&replacement.subscription])
        .await?;
    let rebuilt = transaction.query(select, &[&replacement.rebuilt]).await?;
    let replaced = replacement.apply(&roster(&present)?.shards, &roster(&rebuilt)?.shards);
    Ok(replaced.map(|replaced| (present.len(), replaced)))
}
