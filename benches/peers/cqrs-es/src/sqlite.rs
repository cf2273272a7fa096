//! Concurrent callers, on a database file.

use std::sync::Arc;

use peer::{Result, Run, spread};
use sqlite_es::{SqliteCqrs, sqlite_cqrs};

use crate::account::Account;
use crate::bank::Framework;

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

pub async fn run(file: &str, run: &Run) -> Result<serde_json::Value> {
    // As in `sqlite_es::default_sqlite_pool`, except for `synchronous`, which it sets to NORMAL,
    // the number of connections, of which the benchmarks use the faster, and the settings that all
    // contenders share.
    let pool = peer::sqlite(file, run).await?;
    sqlx::query(EVENTS).execute(&pool).await?;
    let version = peer::sqlite_version(&pool).await?;
    let cqrs: SqliteCqrs<Account> = sqlite_cqrs(pool, vec![], ());
    let mut measured = spread(Framework(Arc::new(cqrs)), run).await?;
    measured["sqlite"] = version.into();
    Ok(measured)
}
