//! One caller, in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::mem_store::MemStore;
use cqrs_es::{CqrsFramework, EventStore};
use peer::{Result, Run, spread};

use crate::account::{Account, Deposit};
use crate::bank::Framework;
use crate::quiet::QuietStore;

const DEPOSIT: Deposit = Deposit {
    amount: 1,
    times: 1,
};

/// Each round begins with an empty store, so that all have the same number of events per aggregate.
pub fn run(quiet: bool, run: &Run) -> Result<serde_json::Value> {
    if quiet {
        rounds(QuietStore::<Account>::default, run)
    } else {
        rounds(MemStore::<Account>::default, run)
    }
}

/// The latencies are of a further round, since reading the clock for each command takes time.
fn rounds<S>(store: impl Fn() -> S, run: &Run) -> Result<serde_json::Value>
where
    S: EventStore<Account> + 'static,
    S::AC: Send,
{
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut took = Duration::ZERO;
    for _ in 0..run.rounds {
        took += runtime.block_on(round(store(), run))?;
    }
    let framework = CqrsFramework::new(store(), vec![], ());
    let mut figures = runtime.block_on(spread(Framework(Arc::new(framework)), run))?;
    figures["per_second"] = (f64::from(run.rounds * run.commands) / took.as_secs_f64()).into();
    Ok(figures)
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
