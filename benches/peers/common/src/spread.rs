//! Callers that each send their commands one after the other, and share no aggregates.

use std::time::Instant;

use serde_json::Value;

use crate::{Bank, Failure, Figures, Result, Run};

/// Maximum number of attempts per command before the run fails.
const ATTEMPTS: u32 = 1_000;

pub async fn spread(bank: impl Bank, run: &Run) -> Result<Value> {
    let callers: Vec<_> = (0..run.callers)
        .map(|caller| (bank.clone(), run.ids_of(caller)))
        .collect();
    let start = Instant::now();
    let callers: Vec<_> = callers
        .into_iter()
        .map(|(bank, ids)| tokio::spawn(call(bank, ids)))
        .collect();
    let mut figures = Figures::default();
    for caller in callers {
        figures.extend(caller.await??);
    }
    Ok(figures.json(start.elapsed()))
}

/// One caller's commands, each sent again until it succeeds.
async fn call(bank: impl Bank, ids: Vec<String>) -> Result<Figures> {
    let mut figures = Figures::default();
    for id in ids {
        let start = Instant::now();
        let mut attempts = 0;
        while let Err(failure) = bank.deposit(&id).await {
            figures.failed();
            attempts += 1;
            match failure {
                Failure::Again(_) if attempts < ATTEMPTS => {}
                Failure::Again(error) | Failure::Final(error) => return Err(error),
            }
        }
        figures.done(start);
    }
    Ok(figures)
}
