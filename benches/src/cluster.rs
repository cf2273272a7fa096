//! The price of what a cluster needs: a synchronous standby, and a deadline for each exchange.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::Result;
use crate::args::Args;
use crate::load::{self, Latencies, Load, Outcome};
use crate::measured::Measured;
use crate::postgres::database::{Database, Replicated, block_on, connect};
use crate::postgres::{ours, raw};
use crate::report::{Report, Row};

const CALLERS: [u32; 3] = [1, 64, 256];

const RUNS: usize = 3;

/// A deadline that no exchange reaches.
const DEADLINE: Duration = Duration::from_secs(5);

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    deadlines(args, report)?;
    standby(args, report)
}

fn standby(args: &Args, report: &mut Report) -> Result<()> {
    let replicated = Replicated::new()?;
    for callers in CALLERS {
        let commands = if callers == 1 { 4_000 } else { 20_000 };
        let load = Load {
            commands: if args.quick { commands / 10 } else { commands },
            aggregates: if args.quick { 400 } else { 1_000 },
            callers,
            first: 0,
        };
        let mut measured = [false, true].map(|_| Contenders::default());
        for _ in 0..RUNS {
            for (contenders, waits) in measured.iter_mut().zip([false, true]) {
                replicated.wait_for_standby(waits)?;
                let database = replicated.primary();
                let outcome = ours::deposits(load, &database.fresh()?)?;
                contenders.ours.push(outcome);
                let outcome = raw::insert(load, &database.fresh()?)?;
                contenders.insert.push(outcome);
            }
        }
        rows(callers, measured, report);
    }
    let version = replicated.primary().version()?;
    report.note(format!(
        "execute with a synchronous standby: the commands and the INSERT of `execute on PostgreSQL`, \
         on a server with a standby on the same machine and disk, so both share its two cores: \
         once not waited for, and once with synchronous_standby_names = '*' and \
         synchronous_commit=on, where a commit waits until the standby has it on its disk. {version}."
    ));
    Ok(())
}

/// With the standby waited for, or not.
#[derive(Default)]
struct Contenders {
    ours: Measured,
    insert: Measured,
}

fn rows(callers: u32, measured: [Contenders; 2], report: &mut Report) {
    let callers = load::callers(callers);
    let workload = format!("execute with a synchronous standby, {callers}");
    let [without, with] = measured;
    for (who, measured) in [
        ("ours", [without.ours, with.ours]),
        (
            "INSERT, one commit per command",
            [without.insert, with.insert],
        ),
    ] {
        let floor = measured[0].per_second.median();
        for (standby, it) in ["asynchronous", "synchronous"].iter().zip(measured) {
            let row = Row::new(
                &workload,
                &format!("{who}, {standby}"),
                "commands/s",
                it.per_second,
            );
            report.row(row.latency(it.p50, it.p99).against("asynchronous", floor));
        }
    }
}

/// Of the cheapest exchange, where the price shows most.
fn deadlines(args: &Args, report: &mut Report) -> Result<()> {
    let database = Database::new()?;
    let url = database.fresh()?;
    let exchanges = if args.quick { 2_000 } else { 20_000 };
    let [mut without, mut with] = [false, true].map(|_| Measured::default());
    for _ in 0..args.runs() {
        without.push(exchange(&url, exchanges, None)?);
        with.push(exchange(&url, exchanges, Some(DEADLINE))?);
    }
    let floor = without.per_second.median();
    for (who, it) in [("without", without), ("with", with)] {
        let who = format!("by hand, {who} a deadline");
        let row = Row::new("a statement that reads one row", &who, "1/s", it.per_second);
        report.row(row.latency(it.p50, it.p99).against("without", floor));
    }
    report.note(
        "a statement that reads one row: SELECT 1, prepared, one after another on one connection, \
         with tokio-postgres. A deadline is a timer of tokio around each exchange, as the store has.",
    );
    Ok(())
}

fn exchange(url: &str, exchanges: u32, deadline: Option<Duration>) -> Result<Outcome> {
    block_on(async {
        let client = connect(url).await?;
        let statement = client.prepare("SELECT 1").await?;
        // As a caller is a task: the thread that blocks is woken in another way.
        let calls = tokio::spawn(async move {
            let mut latencies = Latencies::default();
            let start = Instant::now();
            for _ in 0..exchanges {
                let sent = Instant::now();
                let answer = client.query_one(&statement, &[]);
                match deadline {
                    Some(deadline) => timeout(deadline, answer).await??,
                    None => answer.await?,
                };
                latencies.since(sent);
            }
            Ok(latencies.outcome(start.elapsed()))
        });
        calls.await?
    })
}
