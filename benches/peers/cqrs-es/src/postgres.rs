//! Concurrent callers, on PostgreSQL.

use std::sync::Arc;

use postgres_es::{PostgresCqrs, postgres_cqrs};
use sqlx::postgres::PgPoolOptions;

use crate::account::Account;
use crate::callers;
use crate::run::{Result, Run};

/// The table of postgres-es's own `init.sql`.
const EVENTS: &str = "CREATE TABLE events (
  aggregate_type text                         NOT NULL,
  aggregate_id   text                         NOT NULL,
  sequence       bigint CHECK (sequence >= 0) NOT NULL,
  event_type     text                         NOT NULL,
  event_version  text                         NOT NULL,
  payload        json                         NOT NULL,
  metadata       json                         NOT NULL,
  PRIMARY KEY (aggregate_type, aggregate_id, sequence)
)";

pub fn run(url: &str, run: &Run) -> Result<serde_json::Value> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work(url, run))
}

async fn work(url: &str, run: &Run) -> Result<serde_json::Value> {
    // As `postgres_es::default_postgress_pool` has it, except for the number of connections, for
    // which the benchmarks take the better.
    let pool = PgPoolOptions::new()
        .max_connections(run.connections)
        .connect(url)
        .await?;
    sqlx::query(EVENTS).execute(&pool).await?;
    let cqrs: Arc<PostgresCqrs<Account>> = Arc::new(postgres_cqrs(pool, vec![], ()));
    callers::measure(cqrs, run).await
}
