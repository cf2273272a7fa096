//! Concurrent callers, on a database file.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use cqrs_es::AggregateError;
use sqlite_es::{SqliteCqrs, sqlite_cqrs};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::account::{Account, Deposit};
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

    let start = Instant::now();
    let callers =
        (0..run.callers).map(|caller| tokio::spawn(call(cqrs.clone(), run.ids_of(caller))));
    let callers: Vec<_> = callers.collect();
    let (mut micros, mut retries) = (Vec::new(), 0);
    for caller in callers {
        let (mine, again) = caller.await??;
        micros.extend(mine);
        retries += again;
    }
    let took = start.elapsed();
    micros.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        micros
            .get(micros.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(serde_json::json!({
        "per_second": f64::from(run.commands) / took.as_secs_f64(),
        "p50_us": at(50),
        "p99_us": at(99),
        "retries": retries,
        "sqlite": version,
    }))
}

/// One caller's commands, one after the other; their latencies, and how often it had to try again.
async fn call(cqrs: Arc<SqliteCqrs<Account>>, ids: Vec<String>) -> Result<(Vec<f64>, u32)> {
    let mut micros = Vec::with_capacity(ids.len());
    let mut retries = 0;
    for id in ids {
        let start = Instant::now();
        // The busy time-out of many connections can run out: that is a command to send again.
        while let Err(error) = cqrs.execute(&id, Deposit { amount: 1 }).await {
            retries += 1;
            if retries > 1000 || matches!(error, AggregateError::UserError(_)) {
                return Err(error.to_string().into());
            }
        }
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok((micros, retries))
}
