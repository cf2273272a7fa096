//! One caller, in memory.

use std::time::{Duration, Instant};

use cqrs_es::mem_store::MemStore;
use cqrs_es::{CqrsFramework, EventStore};
use peer::{Result, Run};

use crate::account::{Account, Deposit};
use crate::quiet::QuietStore;

const DEPOSIT: Deposit = Deposit {
    amount: 1,
    times: 1,
};

/// Each round begins with an empty store, so that all have the same number of events per aggregate.
pub fn run(quiet: bool, run: &Run) -> Result<serde_json::Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut took = Duration::ZERO;
    for _ in 0..run.rounds {
        took += if quiet {
            runtime.block_on(round(QuietStore::<Account>::default(), run))?
        } else {
            runtime.block_on(round(MemStore::<Account>::default(), run))?
        };
    }
    let per_second = f64::from(run.rounds * run.commands) / took.as_secs_f64();
    Ok(serde_json::json!({ "per_second": per_second }))
}

async fn round<S: EventStore<Account>>(store: S, run: &Run) -> Result<Duration> {
    let cqrs = CqrsFramework::new(store, vec![], ());
    let ids: Vec<_> = (0..run.aggregates)
        .map(|number| format!("account-{number:04}"))
        .collect();
    let start = Instant::now();
    for id in ids.iter().cycle().take(run.commands as usize) {
        cqrs.execute(id, DEPOSIT).await?;
    }
    Ok(start.elapsed())
}
