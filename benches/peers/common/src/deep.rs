//! Commands to one aggregate that has many events.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{Failure, Result, Run, Seed};

/// The median duration of a command in milliseconds, cold each time or not.
pub async fn deep(bank: impl Seed, run: &Run, cold: bool) -> Result<Value> {
    // Opens connections and prepares statements.
    command(&bank, "other").await?;
    bank.seed("deep", run.events).await?;
    command(&bank, "deep").await?;
    let mut millis = Vec::new();
    for _ in 0..run.rounds {
        if cold {
            bank.forget().await?;
        }
        let start = Instant::now();
        command(&bank, "deep").await?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    Ok(json!({ "millis": millis[millis.len() / 2] }))
}

async fn command(bank: &impl Seed, account: &str) -> Result<()> {
    match bank.deposit(account).await {
        Ok(()) => Ok(()),
        Err(Failure::Again(error) | Failure::Final(error)) => Err(error),
    }
}
