//! `cargo run --release -- [PART].. [--quick]` prints the table, and the figures that have fallen
//! since the last full run on the same machine. All parts at full size also write the table to
//! `RESULTS.md`, and a line to `HISTORY.md`.

use std::fs;

use cqrs_benches::args::{Args, SECTIONS};
use cqrs_benches::history::{History, Line};
use cqrs_benches::report::Report;
use cqrs_benches::{
    Result, cargo, cluster, cost, dispatch, follow, http, machine, memory, postgres, processes,
    sqlite, umadb, versions,
};

fn main() -> Result<()> {
    let args = Args::from_env()?;
    if cfg!(debug_assertions) {
        return Err("figures of a debug build say nothing: cargo run --release".into());
    }
    // Before any other work in that process.
    let commit = machine::commit();
    let mut report = Report::default();
    for section in SECTIONS.into_iter().filter(|section| args.wants(section)) {
        eprintln!("{section} ..");
        match section {
            "cluster" => cluster::run(&args, &mut report)?,
            "dispatch" => dispatch::run(&args, &mut report)?,
            "follow" => follow::run(&args, &mut report)?,
            "http" => http::run(&args, &mut report)?,
            "memory" => memory::run(&args, &mut report)?,
            "postgres" => postgres::run(&args, &mut report)?,
            "processes" => processes::run(&args, &mut report)?,
            "sqlite" => sqlite::run(&args, &mut report)?,
            "umadb" => umadb::run(&args, &mut report)?,
            "versions" => versions::run(&args, &mut report)?,
            _ => cost::run(&args, &mut report)?,
        }
    }
    let text = document(&report, commit.as_deref())?;
    println!("{text}");
    if args.is_full() {
        fs::write(cargo::folder().join("RESULTS.md"), text)?;
    }
    if !args.quick {
        compare(&args, &report, commit.as_deref().unwrap_or("unknown"))?;
    }
    Ok(())
}

/// With the last full run on this machine. A full run is added to the history.
fn compare(args: &Args, report: &Report, commit: &str) -> Result<()> {
    let mut history = History::read(&cargo::folder().join("HISTORY.md"))?;
    let line = Line::new(
        machine::date()?,
        commit,
        machine::hardware(),
        report.goals(),
    );
    for change in history.changes(&line, report.goals()) {
        println!("{change}");
    }
    if args.is_full() {
        history.append(&line)?;
    }
    Ok(())
}

fn document(report: &Report, commit: Option<&str>) -> Result<String> {
    let mut facts = machine::facts(cargo::scratch()?.path());
    let version = cargo::run(cargo::cargo().arg("--version"))?;
    facts.extend(
        version
            .split(' ')
            .nth(1)
            .map(|version| format!("Rust {version}")),
    );
    facts.extend(commit.map(|commit| format!("commit {commit}")));
    let facts = facts.join("; ");
    let table = report.markdown();
    Ok(format!(
        "# Results\n\nMade by `cargo run --release` in this folder. Every figure is the median of \
         the runs in brackets; a ratio compares figures of one run of this program. {facts}.\n\n\
         {table}"
    ))
}
