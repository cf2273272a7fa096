//! Runs one workload on esrs. Prints the figures as JSON on standard error.

mod account;
mod bank;

use std::env;

use bank::Accounts;
use peer::{Result, Run, block_on, deep, hot, print, spread};

fn main() -> Result<()> {
    let run = Run::from_env()?;
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let [workload, url] = *words else {
        return Err("postgres URL | hot URL | hot-locks URL | load URL".into());
    };
    print(block_on(async {
        let pool = peer::postgres(url, &run).await?;
        let bank = Accounts::new(pool, workload == "hot-locks").await?;
        match workload {
            "hot" | "hot-locks" => hot(bank, &run).await,
            "load" => deep(bank, &run, true).await,
            _ => spread(bank, &run).await,
        }
    }))
}
