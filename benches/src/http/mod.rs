//! A program that is served over HTTP, beside the same calls in its process.

mod caller;
pub mod served;

use crate::Result;
use crate::args::Args;
use crate::cargo::{self, Profile};
use crate::goal::Goal;
use crate::load::{self, Load};
use crate::measured::Measured;
use crate::report::{Report, Row};
use crate::runs::Runs;
use crate::sqlite::ours;

const CALLERS: [u32; 3] = [1, 64, 256];

const RUNS: usize = 3;

/// What is served.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The commands of this framework.
    Ours,
    /// A function of axum that does nothing, which is what HTTP costs.
    Bare,
}

impl Kind {
    /// The argument of the served program.
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Bare => "bare",
        }
    }
}

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let folder = cargo::build("", Profile::Release, &["--bin", "served"])?;
    let program = folder.join("served");
    for callers in CALLERS {
        let commands = if callers == 1 { 4_000 } else { 40_000 };
        let load = Load {
            commands: if args.quick { commands / 10 } else { commands },
            aggregates: if args.quick { 400 } else { 1_000 },
            callers,
            first: 0,
        };
        let [mut inside, mut served, mut bare] = [(); 3].map(|()| Measured::default());
        let mut memory = Runs::default();
        for _ in 0..RUNS {
            inside.push(ours::run_with_ids(load)?);
            let (outcome, mebibytes) = caller::run(load, &program, Kind::Ours)?;
            served.push(outcome);
            memory.push(mebibytes);
            bare.push(caller::run(load, &program, Kind::Bare)?.0);
        }
        let floor = inside.per_second.median();
        if callers == 256 {
            let what =
                "256 connections over HTTP against as many callers in the process, on SQLite";
            let rate = served.per_second.median();
            report.goal(Goal::at_least("http-256", what, rate, 0.7, floor));
        }
        let workload = format!("execute on SQLite, served, {}", load::callers(callers));
        for (who, it) in [
            ("in the process", inside),
            ("over HTTP/1.1, from another process", served),
            ("a function of axum that does nothing, over HTTP/1.1", bare),
        ] {
            let row = Row::new(&workload, who, "commands/s", it.per_second);
            report.row(row.latency(it.p50, it.p99).against("in the process", floor));
        }
        let peak = Row::new(&workload, "most memory of the server", "MiB", memory);
        report.row(peak);
    }
    report.note(
        "execute on SQLite, served: `wired-cqrs-http` with its defaults on loopback, in a process of its own; the commands of \
         `execute on SQLite` as JSON, each with an Idempotency-Key, a connection for each caller, by hyper in the measuring \
         process, which shares the two cores with the server. In the process, each command has an id of its caller, too. The function of axum takes the same JSON and returns the JSON of a \
         receipt.",
    );
    Ok(())
}
