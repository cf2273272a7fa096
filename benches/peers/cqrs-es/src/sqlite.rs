//! Concurrent callers, on a database file.

use std::str::FromStr;
use std::sync::Arc;

use sqlite_es::{SqliteCqrs, sqlite_cqrs};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::account::Account;
use crate::callers;
use crate::run::{Result, Run};

/// The table of sqlite-es's own migration.
const EVENTS: &str = "CREATE TABLE events (
  aggregate_type text                          NOT NULL,
  aggregate_id   text                          NOT NULL,
  sequence       integer CHECK (sequence >= 0) NOT NULL,
  event_type     text                          NOT NULL,
  event_version  text                          NOT NULL,
  payload        text                          NOT NULL,
  metadata       text                          NOT NULL,
  PRIMARY KEY (aggregate_type, aggregate_id, sequence)
) STRICT";

pub fn run(file: &str, run: &Run) -> Result<serde_json::Value> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work(file, run))
}

async fn work(file: &str, run: &Run) -> Result<serde_json::Value> {
    // As `sqlite_es::default_sqlite_pool` has it, except for `synchronous`, which it sets to
    // NORMAL, the number of connections, for which the benchmarks take the better, and what is
    // the same for everyone.
    let mut options = SqliteConnectOptions::from_str(&format!("sqlite://{file}"))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    for (name, value) in &run.pragmas {
        options = options.pragma(*name, value.clone());
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(run.connections)
        .connect_with(options);
    let pool = pool.await?;
    sqlx::query(EVENTS).execute(&pool).await?;
    let (version,): (String,) = sqlx::query_as("SELECT sqlite_version()")
        .fetch_one(&pool)
        .await?;
    let cqrs: Arc<SqliteCqrs<Account>> = Arc::new(sqlite_cqrs(pool, vec![], ()));

    let mut measured = callers::measure(cqrs, run).await?;
    measured["sqlite"] = version.into();
    Ok(measured)
}
