use cqrs_core::Timestamp;
use cqrs_core::store::{ModelSchema, ProjectionVersion, VersionChange, VersionRemoval};
use cqrs_kit::blueprints;
use tokio_postgres::types::ToSql;

use super::models::DELETE_MODEL;
use crate::dialect::Table;
use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::sql::Sql;
use crate::store::Shared;
use crate::transaction::pooled::PooledTransaction;

/// The versions of a projection, in order.
pub(crate) async fn of_projection(
    client: &Connection,
    sql: &Sql,
    projection: &str,
) -> Result<Vec<ProjectionVersion>, Fault> {
    let select = client.prepare(&sql.select_versions).await?;
    let rows = client.query(&select, &[&projection]).await?;
    let versions = rows.iter().map(|row| {
        let number = row.try_get::<_, i64>(0)?;
        let blueprints = blueprints::decode(row.try_get(1)?);
        let began = Timestamp::from_microsecond(row.try_get(2)?);
        Ok(ProjectionVersion {
            version: u32::try_from(number).map_err(corrupt)?,
            blueprints: blueprints.map_err(corrupt)?,
            began: began.map_err(corrupt)?,
            is_live: row.try_get(3)?,
            was_live: row.try_get(4)?,
            is_held: row.try_get(5)?,
        })
    });
    versions.collect()
}

pub(crate) async fn change(
    shared: &Shared,
    change: &VersionChange,
) -> Result<Vec<ProjectionVersion>, Fault> {
    let transaction = begin(shared, &change.projection).await?;
    let stored = of_projection(&transaction, &shared.sql, &change.projection).await?;
    let Some(changed) = change.apply(&stored) else {
        return Ok(stored);
    };
    replace(&transaction, &shared.sql, &change.projection, &changed).await?;
    transaction.commit().await?;
    Ok(changed)
}

pub(crate) async fn remove(shared: &Shared, removal: &VersionRemoval) -> Result<bool, Fault> {
    let sql = &shared.sql;
    let transaction = begin(shared, &removal.projection).await?;
    let stored = of_projection(&transaction, sql, &removal.projection).await?;
    let Some(left) = removal.apply(&stored) else {
        return Ok(false);
    };
    for subscription in &removal.subscriptions {
        let is_attended = transaction
            .select_one(&sql.is_attended, &[subscription])
            .await?;
        if is_attended.try_get(0)? {
            return Ok(false);
        }
    }
    replace(&transaction, sql, &removal.projection, &left).await?;
    for statement in [&sql.forget_shards, &sql.forget_parked, &sql.delete_skipped] {
        let statement = transaction.prepare(statement).await?;
        for subscription in &removal.subscriptions {
            transaction.execute(&statement, &[subscription]).await?;
        }
    }
    let delete = shared.schema.apply(DELETE_MODEL);
    let delete_model = transaction.prepare(&delete).await?;
    for name in &removal.tables {
        let model = ModelSchema {
            table: name.clone(),
            indexes: Vec::new(),
        };
        let table = Table::new(&shared.schema, &model)?;
        transaction.batch_execute(&table.drop_if_exists()).await?;
        transaction.execute(&delete_model, &[name]).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// A transaction that has the versions of a projection to itself. Read committed: statements after the lock
/// must see what its last holder has written. Rolled back on drop.
async fn begin(shared: &Shared, projection: &str) -> Result<PooledTransaction, Fault> {
    let client = shared.pool.get().await?;
    let transaction = PooledTransaction::new(client, PooledTransaction::READ_COMMITTED);
    transaction.begin().await?;
    let key = format!("{} {projection}", shared.schema);
    transaction
        .select_one(&shared.sql.lock_versions, &[&key])
        .await?;
    Ok(transaction)
}

async fn replace(
    transaction: &Connection,
    sql: &Sql,
    projection: &str,
    versions: &[ProjectionVersion],
) -> Result<(), Fault> {
    let delete = transaction.prepare(&sql.delete_versions).await?;
    transaction.execute(&delete, &[&projection]).await?;
    let insert = transaction.prepare(&sql.insert_version).await?;
    for version in versions {
        let params: [&(dyn ToSql + Sync); 7] = [
            &projection,
            &i64::from(version.version),
            &blueprints::encode(&version.blueprints).map_err(corrupt)?,
            &version.began.as_microsecond(),
            &version.is_live,
            &version.was_live,
            &version.is_held,
        ];
        transaction.execute(&insert, &params).await?;
    }
    Ok(())
}

/// A row that no program has written.
fn corrupt(why: impl std::fmt::Display) -> Fault {
    Fault::corrupt(format!("a version of a projection: {why}"))
}
