//! `execute` on a database file, beside what the file allows.

mod ours;
mod raw;

use crate::Result;
use crate::args::Args;
use crate::goal::Goal;
use crate::load::{Load, Outcome};
use crate::peer::CqrsEs;
use crate::report::{Report, Row};
use crate::runs::Runs;

const CALLERS: [u32; 3] = [1, 16, 64];

/// What someone's runs measured.
#[derive(Default)]
struct Measured {
    per_second: Runs,
    p50: Runs,
    p99: Runs,
}

impl Measured {
    fn push(&mut self, outcome: Outcome) {
        self.per_second.push(outcome.per_second);
        self.p50.push(outcome.p50);
        self.p99.push(outcome.p99);
    }

    /// The one with more commands per second, and which one that is.
    fn better(self, other: Self) -> (Self, bool) {
        if other.per_second.median() > self.per_second.median() {
            (other, true)
        } else {
            (self, false)
        }
    }
}

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let peer = CqrsEs::build()?;
    let mut version = String::new();
    for callers in CALLERS {
        let load = Load {
            commands: if args.quick { 2_000 } else { 20_000 },
            aggregates: 1_000,
            callers,
        };
        let [mut ours, mut own, mut shared, mut pooled, mut single] =
            std::array::from_fn(|_| Measured::default());
        for _ in 0..runs(args) {
            ours.push(ours::run(load)?);
            own.push(raw::own_connections(load)?);
            shared.push(raw::shared_connection(load)?);
            pooled.push(peer.sqlite(load, 10)?.0);
            let (outcome, found) = peer.sqlite(load, 1)?;
            single.push(outcome);
            version = found;
        }
        let (raw, is_shared) = own.better(shared);
        let (theirs, is_single) = pooled.better(single);
        let floor = raw.per_second.median();
        if callers == 1 {
            goal(
                report,
                "one caller on SQLite against a raw load and insert",
                &ours,
                0.75,
                floor,
            );
        } else if callers == 64 {
            let what = "64 callers on SQLite against one transaction per command";
            goal(report, what, &ours, 9.0, floor);
        }
        let connections = if is_shared {
            "one connection"
        } else {
            "a connection each"
        };
        let raw_name = if callers == 1 {
            "rusqlite, load and insert".to_owned()
        } else {
            format!("rusqlite, one transaction per command, {connections}")
        };
        let pool = if is_single {
            "a pool of 1"
        } else {
            "a pool of 10"
        };
        let workload = match callers {
            1 => "execute on SQLite, 1 caller".to_owned(),
            many => format!("execute on SQLite, {many} callers"),
        };
        let mut row = |who: &str, it: Measured| {
            let row = Row::new(&workload, who, "commands/s", it.per_second);
            report.row(row.latency(it.p50, it.p99).against("rusqlite", floor));
        };
        row("ours", ours);
        row(&raw_name, raw);
        row(&format!("cqrs-es 0.5 with sqlite-es 0.5, {pool}"), theirs);
    }
    report.note(format!(
        "execute on SQLite: WAL, synchronous=FULL and else the defaults for everyone; 1 000 \
         aggregates, {} commands that each read one and add one event; callers share no \
         aggregates; a fresh file for each run. rusqlite: BEGIN IMMEDIATE, SELECT of the \
         aggregate's events, INSERT with unique (aggregate, seq), COMMIT, statements prepared \
         once, on a connection for each caller or on one behind a mutex, whichever is faster; \
         sqlite-es on its pool of 10 or of 1, whichever is faster. SQLite {} (ours and rusqlite), \
         {version} (sqlite-es).",
        if args.quick { "2 000" } else { "20 000" },
        rusqlite::version(),
    ));
    Ok(())
}

/// These take long and differ little.
fn runs(_: &Args) -> usize {
    3
}

fn goal(report: &mut Report, what: &str, ours: &Measured, times: f64, floor: f64) {
    report.goal(Goal::at_least(what, ours.per_second.median(), times, floor));
}
