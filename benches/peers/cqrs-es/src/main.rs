//! Runs one workload on cqrs-es. Prints the figures as JSON on standard error, since `MemStore`
//! prints every load and store to standard output.

mod account;
mod bank;
mod follow;
mod memory;
mod postgres;
mod quiet;
mod sqlite;
mod view;

use std::env;

use peer::{Result, Run, block_on, print};

fn main() -> Result<()> {
    let run = Run::from_env()?;
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    print(match *words {
        ["memory"] => memory::run(false, &run),
        ["memory-quiet"] => memory::run(true, &run),
        ["sqlite", file] => block_on(sqlite::run(file, &run)),
        [
            workload @ ("postgres" | "hot" | "load" | "view" | "follow"),
            url,
        ] => block_on(postgres::run(workload, url, &run)),
        _ => Err(
            "memory | memory-quiet | sqlite FILE | postgres, hot, load, view, follow URL".into(),
        ),
    })
}
