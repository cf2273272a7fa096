//! Callers that each send their commands one after the other.

use std::sync::Arc;
use std::time::Instant;

use cqrs_es::{AggregateError, CqrsFramework, EventStore};

use crate::account::{Account, Deposit};
use crate::run::{Result, Run};

pub async fn measure<S>(
    cqrs: Arc<CqrsFramework<Account, S>>,
    run: &Run,
) -> Result<serde_json::Value>
where
    S: EventStore<Account> + 'static,
    S::AC: Send,
{
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
    }))
}

/// One caller's commands, one after the other; their latencies, and how often it had to try again.
async fn call<S>(cqrs: Arc<CqrsFramework<Account, S>>, ids: Vec<String>) -> Result<(Vec<f64>, u32)>
where
    S: EventStore<Account>,
{
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
