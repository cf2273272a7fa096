//! Several processes on one log, which is on PostgreSQL.

mod crowd;
pub mod process;

use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::args::Args;
use crate::cargo::{self, Profile};
use crate::goal::Goal;
use crate::measured::Measured;
use crate::postgres::database::Database;
use crate::report::{Report, Row};
use crate::runs::Runs;
use crowd::Crowd;

const RUNS: usize = 3;

/// Accounts of each process.
const ACCOUNTS: u32 = 1_000;

/// Callers in all, split over the processes.
const SPLIT: u32 = 64;

/// Callers of each process.
const EACH: u32 = 64;

/// A crowd with the figures of its runs.
struct Group {
    crowd: Crowd,
    measured: Measured,
    fairness: Runs,
    failed: Runs,
}

/// What is the same in all runs.
struct Stage {
    program: PathBuf,
    database: Database,
    time: Duration,
}

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let folder = cargo::build("", Profile::Release, &["--bin", "process"])?;
    let stage = Stage {
        program: folder.join("process"),
        database: Database::new()?,
        time: Duration::from_millis(if args.quick { 500 } else { 3_000 }),
    };
    let split = [1, 2, 4, 8].map(|processes| Group::new(processes, SPLIT / processes, ACCOUNTS));
    let mut split = Vec::from(split);
    let each = [(1, 256), (1, EACH), (2, EACH), (4, EACH), (8, EACH)];
    let mut each: Vec<_> = each
        .map(|(processes, callers)| Group::new(processes, callers, ACCOUNTS))
        .into();
    let mut hot: Vec<_> = [1, 2, 4]
        .map(|processes| Group::new(processes, SPLIT / processes, 1))
        .into();
    for _ in 0..RUNS {
        for group in split.iter_mut().chain(&mut each).chain(&mut hot) {
            group.run(&stage)?;
        }
    }
    judge_split(&split, report);
    let [floor, .., four, _] = &each[..] else {
        return Err("crowds are missing".into());
    };
    let what = "4 processes of 64 callers against 1 of 256";
    report.goal(Goal::at_least(
        "processes-4x64",
        what,
        four.per_second(),
        0.85,
        floor.per_second(),
    ));
    judge_hot(&hot, report);
    rows("processes on one log, 64 callers in all", split, report);
    rows("processes on one log, 64 callers each", each, report);
    rows("processes on one aggregate, 64 callers in all", hot, report);
    report.note(
        "processes on one log: each process has 1 000 accounts of its own, or all have one account \
         together; its states are in memory when the run begins, for all processes at the same \
         time. Commands per second of all processes in three seconds. The slowest process has the \
         named part of the commands of the fastest one, in the median of the runs.",
    );
    Ok(())
}

impl Group {
    fn new(processes: u32, callers: u32, accounts: u32) -> Self {
        Self {
            crowd: Crowd {
                processes,
                callers,
                accounts,
            },
            measured: Measured::default(),
            fairness: Runs::default(),
            failed: Runs::default(),
        }
    }

    fn run(&mut self, stage: &Stage) -> Result<()> {
        let url = stage.database.fresh()?;
        let figures = self.crowd.run(&stage.program, &url, stage.time)?;
        self.measured.push(figures.outcome);
        self.fairness.push(figures.fairness);
        self.failed.push(figures.failed.into());
        Ok(())
    }

    fn per_second(&self) -> f64 {
        self.measured.per_second.median()
    }

    fn label(&self) -> String {
        let Crowd {
            processes, callers, ..
        } = self.crowd;
        let mut label = match processes {
            1 => format!("1 process of {callers} callers"),
            many => format!(
                "{many} processes of {callers} callers, slowest {:.2} x fastest",
                self.fairness.median()
            ),
        };
        if self.failed.highest() > 0.0 {
            label.push_str(&format!(", {:.0} failed", self.failed.highest()));
        }
        label
    }
}

fn judge_split(split: &[Group], report: &mut Report) {
    let [one, two, four, _] = split else {
        return;
    };
    for (key, group, times) in [
        ("processes-2x32", two, 0.85),
        ("processes-4x16", four, 0.55),
    ] {
        let Crowd {
            processes, callers, ..
        } = group.crowd;
        let what = format!("{processes} processes of {callers} callers against 1 of 64");
        let rate = group.per_second();
        report.goal(Goal::at_least(key, &what, rate, times, one.per_second()));
    }
    let what = "p99 with 2 and 4 processes, 64 callers in all";
    let p99 = two.measured.p99.median().max(four.measured.p99.median()) / 1000.0;
    report.goal(Goal::at_most("processes-p99", what, p99, 20.0, "ms"));
    let what = "slowest of 2 and 4 processes against the fastest";
    let fairness = two.fairness.median().min(four.fairness.median());
    report.goal(Goal::at_least(
        "processes-fairness",
        what,
        fairness,
        0.7,
        1.0,
    ));
}

fn judge_hot(hot: &[Group], report: &mut Report) {
    let [one, _, four] = hot else {
        return;
    };
    let what = "one aggregate from 4 processes against from one";
    let rate = four.per_second();
    report.goal(Goal::at_least(
        "processes-hot",
        what,
        rate,
        0.5,
        one.per_second(),
    ));
    let what = "commands to one aggregate that fail from 4 processes";
    let failed = four.failed.highest();
    report.goal(Goal::at_most(
        "processes-hot-failures",
        what,
        failed,
        0.0,
        "commands",
    ));
}

/// Ratios are to the first group.
fn rows(workload: &str, groups: Vec<Group>, report: &mut Report) {
    let floor = groups.first().map_or(f64::NAN, Group::per_second);
    for group in groups {
        let who = group.label();
        let it = group.measured;
        let row = Row::new(workload, &who, "commands/s", it.per_second);
        let row = row.latency(it.p50, it.p99);
        report.row(row.against("the first line", floor));
    }
}
