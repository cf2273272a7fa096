//! Runs one workload on cqrs-es and says what it measured, as JSON on standard error: `MemStore`
//! prints every load and store to standard output.

mod account;
mod callers;
mod memory;
mod postgres;
mod quiet;
mod run;
mod sqlite;

use std::env;

use run::{Result, Run};

fn main() -> Result<()> {
    let run = Run::from_env()?;
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let measured = match *words {
        ["memory"] => memory::run(false, &run)?,
        ["memory-quiet"] => memory::run(true, &run)?,
        ["sqlite", file] => sqlite::run(file, &run)?,
        ["postgres", url] => postgres::run(url, &run)?,
        _ => return Err("memory | memory-quiet | sqlite FILE | postgres URL".into()),
    };
    eprintln!("{measured}");
    Ok(())
}
