//! Runs one workload on disintegrate. Prints the figures as JSON on standard error.

mod account;
mod bank;
mod follow;
mod tables;

use std::env;

use bank::Decisions;
use peer::{Result, Run, Seed, block_on, deep, hot, print, spread};

fn main() -> Result<()> {
    let run = Run::from_env()?;
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let [workload, url] = *words else {
        return Err("postgres URL | hot URL | load URL | follow URL".into());
    };
    print(block_on(async {
        let pool = peer::postgres(url, &run).await?;
        if workload == "follow" {
            return follow::run(pool, &run).await;
        }
        if run.snapshots > 0 {
            measure(
                workload,
                Decisions::with_snapshots(pool, run.snapshots).await?,
                &run,
            )
            .await
        } else {
            measure(workload, Decisions::new(pool).await?, &run).await
        }
    }))
}

async fn measure(workload: &str, bank: impl Seed, run: &Run) -> Result<serde_json::Value> {
    match workload {
        "hot" => hot(bank, run).await,
        "load" => deep(bank, run, run.snapshots == 0).await,
        _ => spread(bank, run).await,
    }
}
