use std::fmt::Write as _;

use cqrs_kit::migrations::Migrations;

use crate::ConnectError;
use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::schema::Schema;
use crate::transaction::pooled::PooledTransaction;

const MIGRATIONS: Migrations = Migrations::new(&[
    include_str!("sql/migrations/0001_log.sql"),
    include_str!("sql/migrations/0002_checkpoints.sql"),
    include_str!("sql/migrations/0003_last_events.sql"),
    include_str!("sql/migrations/0004_last_append.sql"),
    include_str!("sql/migrations/0005_durable.sql"),
    include_str!("sql/migrations/0006_crash_marker.sql"),
    include_str!("sql/migrations/0007_type_blocks.sql"),
    include_str!("sql/migrations/0008_rows.sql"),
    include_str!("sql/migrations/0009_append_at_end.sql"),
    include_str!("sql/migrations/0010_shards.sql"),
    include_str!("sql/migrations/0011_tag_leases.sql"),
    include_str!("sql/migrations/0012_halts.sql"),
    include_str!("sql/migrations/0013_divisions.sql"),
    include_str!("sql/migrations/0014_versions.sql"),
    include_str!("sql/migrations/0015_parked_keys.sql"),
    include_str!("sql/migrations/0016_skipped_keys.sql"),
    include_str!("sql/migrations/0017_command_metadata.sql"),
    include_str!("sql/migrations/0018_head_check.sql"),
    include_str!("sql/migrations/0019_hashed_tags.sql"),
    include_str!("sql/migrations/0020_distinct_entries.sql"),
]);

/// All migrations as SQL that may run again: a transaction for each, which does nothing unless the tables
/// have the version before it. `psql` continues after an error, and must not skip a migration.
pub(crate) fn script(schema: &Schema) -> String {
    let mut script = String::new();
    for (version, migration) in MIGRATIONS.after(0) {
        let body = schema.apply(migration);
        let _ = writeln!(
            script,
            "{};\n{};\n{}\nDO $migration$ BEGIN\nIF (SELECT coalesce(max(version), 0) FROM \
             \"{schema}\".migrations) = {} THEN\n{body}\nINSERT INTO \
             \"{schema}\".migrations (version) VALUES ({version});\nEND IF;\nEND \
             $migration$;\nCOMMIT;",
            PooledTransaction::READ_COMMITTED,
            lock(schema),
            begin(schema),
            version - 1,
        );
    }
    script
}

/// Brings the tables to the latest version, unless another process just did.
pub(crate) async fn migrate(connection: &Connection, schema: &Schema) -> Result<(), ConnectError> {
    if version(connection, schema).await? == MIGRATIONS.latest() {
        return Ok(());
    }
    let applied = apply(connection, schema).await;
    applied.map_err(|fault| refused(schema, fault))?;
    check(connection, schema).await
}

/// Each migration in a transaction of its own, which ends with the connection if this fails: a process
/// that is killed leaves whole migrations, and the next one continues. What follows the lock must see what
/// the process that had it before has committed, so it is read committed.
async fn apply(connection: &Connection, schema: &Schema) -> Result<(), Fault> {
    let select = format!("SELECT coalesce(max(version), 0) FROM \"{schema}\".migrations");
    let insert = format!("INSERT INTO \"{schema}\".migrations (version) VALUES ($1)");
    loop {
        connection
            .batch_execute(PooledTransaction::READ_COMMITTED)
            .await?;
        connection.script(&lock(schema)).await?;
        connection.batch_execute(&begin(schema)).await?;
        let before: i64 = connection.select_one(&select, &[]).await?.try_get(0)?;
        let Some((version, migration)) = MIGRATIONS.after(before).next() else {
            return Ok(connection.script("COMMIT").await?);
        };
        connection.script(&schema.apply(migration)).await?;
        let done = connection.prepare(&insert).await?;
        connection.execute(&done, &[&version]).await?;
        connection.script("COMMIT").await?;
    }
}

/// Sees to it that the tables have the version that this program writes.
pub(crate) async fn check(connection: &Connection, schema: &Schema) -> Result<(), ConnectError> {
    let (found, known) = (version(connection, schema).await?, MIGRATIONS.latest());
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

async fn version(connection: &Connection, schema: &Schema) -> Result<i64, ConnectError> {
    let found = find_version(connection, schema).await;
    found.map_err(|fault| refused(schema, fault))
}

/// 0 when there are no tables.
async fn find_version(connection: &Connection, schema: &Schema) -> Result<i64, Fault> {
    let table = format!("\"{schema}\".migrations");
    let is_there = "SELECT to_regclass($1) IS NOT NULL";
    let row = connection.select_one(is_there, &[&table]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let select = format!("SELECT coalesce(max(version), 0) FROM {table}");
    Ok(connection.select_one(&select, &[]).await?.try_get(0)?)
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
