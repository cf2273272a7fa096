//! Concurrent callers, on PostgreSQL.

use std::sync::Arc;

use peer::{Result, Run, Seed, deep, hot, spread};
use postgres_es::{PostgresCqrs, postgres_cqrs, postgres_snapshot_cqrs};
use serde_json::Value;

use crate::account::Account;
use crate::bank::Framework;
use crate::{follow, view};

/// The tables of postgres-es's own `init.sql`.
const TABLES: &str = "CREATE TABLE events (
  aggregate_type text                         NOT NULL,
  aggregate_id   text                         NOT NULL,
  sequence       bigint CHECK (sequence >= 0) NOT NULL,
  event_type     text                         NOT NULL,
  event_version  text                         NOT NULL,
  payload        json                         NOT NULL,
  metadata       json                         NOT NULL,
  PRIMARY KEY (aggregate_type, aggregate_id, sequence)
);
CREATE TABLE snapshots (
  aggregate_type   text                                 NOT NULL,
  aggregate_id     text                                 NOT NULL,
  last_sequence    bigint CHECK (last_sequence >= 0)    NOT NULL,
  current_snapshot bigint CHECK (current_snapshot >= 0) NOT NULL,
  payload          json                                 NOT NULL,
  PRIMARY KEY (aggregate_type, aggregate_id, last_sequence)
);
CREATE TABLE account_view (
  view_id text                        NOT NULL,
  version bigint CHECK (version >= 0) NOT NULL,
  payload json                        NOT NULL,
  PRIMARY KEY (view_id)
)";

pub async fn run(workload: &str, url: &str, run: &Run) -> Result<Value> {
    // As in `postgres_es::default_postgress_pool`, except for the number of connections, of which
    // the benchmarks use the faster.
    let pool = peer::postgres(url, run).await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    if workload == "view" {
        return spread(view::Viewed::new(pool), run).await;
    }
    if workload == "follow" {
        return follow::run(pool, run).await;
    }
    let cqrs: PostgresCqrs<Account> = match run.snapshots {
        0 => postgres_cqrs(pool, vec![], ()),
        every => postgres_snapshot_cqrs(pool, vec![], every as usize, ()),
    };
    measure(workload, Framework(Arc::new(cqrs)), run).await
}

async fn measure(workload: &str, bank: impl Seed, run: &Run) -> Result<Value> {
    match workload {
        "hot" => hot(bank, run).await,
        "load" => deep(bank, run, run.snapshots == 0).await,
        _ => spread(bank, run).await,
    }
}
