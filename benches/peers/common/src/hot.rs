//! Callers that all send their commands to one aggregate.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Bank, Failure, Figures, Result, Run};

pub async fn hot(bank: impl Bank, run: &Run) -> Result<Value> {
    let start = Instant::now();
    let end = start + Duration::from_millis(run.millis.into());
    let callers: Vec<_> = (0..run.callers)
        .map(|_| tokio::spawn(call(bank.clone(), end)))
        .collect();
    let mut figures = Figures::default();
    for caller in callers {
        figures.extend(caller.await??);
    }
    Ok(figures.json(start.elapsed()))
}

/// One caller. A failed command is sent again at once, and counts as failed.
async fn call(bank: impl Bank, end: Instant) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut start = Instant::now();
    while Instant::now() < end {
        match bank.deposit("hot").await {
            Ok(()) => {
                figures.done(start);
                start = Instant::now();
            }
            Err(Failure::Again(_)) => figures.failed(),
            Err(Failure::Final(error)) => return Err(error),
        }
    }
    Ok(figures)
}
