//! Callers that each send their commands one after the other to this framework.

use std::time::Instant;

use cqrs_core::Dispatcher;

use crate::Result;
use crate::domain::{AccountId, Deposit};
use crate::load::{Latencies, Load, Outcome};

pub async fn measure(dispatcher: &Dispatcher, load: Load) -> Result<Outcome> {
    let callers = (0..load.callers).map(|caller| {
        let ids = load.ids_of(caller).map(AccountId).collect();
        (dispatcher.clone(), ids)
    });
    let callers: Vec<_> = callers.collect();
    let start = Instant::now();
    let tasks = callers
        .into_iter()
        .map(|(dispatcher, ids)| tokio::spawn(call(dispatcher, ids)));
    let tasks: Vec<_> = tasks.collect();
    let mut latencies = Latencies::default();
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(latencies.outcome(start.elapsed()))
}

async fn call(dispatcher: Dispatcher, ids: Vec<AccountId>) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    for account in ids {
        let start = Instant::now();
        dispatcher.execute(Deposit { account, amount: 1 }).await?;
        latencies.since(start);
    }
    Ok(latencies)
}
