use std::fmt::Write as _;

use tokio_postgres::{Client, Transaction};

use crate::ConnectError;
use crate::fault::Fault;
use crate::schema::Schema;

/// Each brings the schema from the version before, its place in this list, to the next one. What
/// was published is never changed, only added to.
const MIGRATIONS: &[&str] = &[include_str!("sql/migrations/0001_log.sql")];

/// The schema version that this program writes.
fn latest() -> i64 {
    MIGRATIONS.len().try_into().unwrap_or(i64::MAX)
}

/// All migrations as SQL that may run again: one block for each, which does nothing when it was
/// applied.
pub(crate) fn script(schema: &Schema) -> String {
    let mut script = String::from("BEGIN;\n");
    let _ = writeln!(script, "{};", lock(schema));
    let _ = writeln!(script, "{}", begin(schema));
    for (version, migration) in (1_i64..).zip(MIGRATIONS) {
        let body = schema.apply(migration);
        let _ = writeln!(
            script,
            "DO $migration$ BEGIN\nIF NOT EXISTS (SELECT 1 FROM \"{schema}\".migrations WHERE \
             version = {version}) THEN\n{body}\nINSERT INTO \"{schema}\".migrations (version) \
             VALUES ({version});\nEND IF;\nEND $migration$;"
        );
    }
    script.push_str("COMMIT;\n");
    script
}

/// Brings the tables to the latest version, unless another process just did.
pub(crate) async fn migrate(client: &mut Client, schema: &Schema) -> Result<(), ConnectError> {
    if version(client, schema).await? == latest() {
        return Ok(());
    }
    let refused = |error: tokio_postgres::Error| refused(schema, error.into());
    let transaction = client.transaction().await.map_err(refused)?;
    apply(&transaction, schema).await.map_err(refused)?;
    transaction.commit().await.map_err(refused)?;
    check(client, schema).await
}

async fn apply(
    transaction: &Transaction<'_>,
    schema: &Schema,
) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute(&lock(schema)).await?;
    transaction.batch_execute(&begin(schema)).await?;
    let select = format!("SELECT coalesce(max(version), 0) FROM \"{schema}\".migrations");
    let before: i64 = transaction.query_one(&select, &[]).await?.get(0);
    for (version, migration) in (1_i64..)
        .zip(MIGRATIONS)
        .filter(|(version, _)| *version > before)
    {
        transaction.batch_execute(&schema.apply(migration)).await?;
        let done = format!("INSERT INTO \"{schema}\".migrations (version) VALUES ($1)");
        transaction.execute(&done, &[&version]).await?;
    }
    Ok(())
}

/// Sees to it that the tables have the version that this program writes.
pub(crate) async fn check(client: &Client, schema: &Schema) -> Result<(), ConnectError> {
    let (found, known) = (version(client, schema).await?, latest());
    let schema = schema.name().to_owned();
    match found {
        found if found == known => Ok(()),
        found if found > known => Err(ConnectError::Newer {
            schema,
            found,
            known,
        }),
        found => Err(ConnectError::Older {
            schema,
            found,
            known,
        }),
    }
}

async fn version(client: &Client, schema: &Schema) -> Result<i64, ConnectError> {
    let refused = |error: tokio_postgres::Error| refused(schema, error.into());
    let table = format!("\"{schema}\".migrations");
    let row = client
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&table])
        .await
        .map_err(refused)?;
    if !row.try_get::<_, bool>(0).map_err(refused)? {
        return Ok(0);
    }
    let select = format!("SELECT coalesce(max(version), 0) FROM {table}");
    let row = client.query_one(&select, &[]).await.map_err(refused)?;
    row.try_get(0).map_err(refused)
}

/// Of processes that start at once, one migrates, and the others wait for it.
fn lock(schema: &Schema) -> String {
    let key = xxhash_rust::xxh3::xxh3_64(schema.name().as_bytes()).cast_signed();
    format!("SELECT pg_advisory_xact_lock({key})")
}

fn begin(schema: &Schema) -> String {
    format!(
        "CREATE SCHEMA IF NOT EXISTS \"{schema}\";\nCREATE TABLE IF NOT EXISTS \
         \"{schema}\".migrations (version bigint PRIMARY KEY, applied timestamptz NOT NULL \
         DEFAULT now());"
    )
}

pub(crate) fn refused(schema: &Schema, fault: Fault) -> ConnectError {
    ConnectError::Refused {
        schema: schema.name().to_owned(),
        reason: fault.reason().to_string(),
    }
}
