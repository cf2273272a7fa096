//! Decisions about two aggregates at once, on an empty log and on a long one.

use super::log::Log;
use super::{RUNS, Stage, ours};
use crate::Result;
use crate::digits::grouped;
use crate::goal::Goal;
use crate::load::{Load, Outcome};
use crate::measured::Measured;
use crate::report::{Report, Row};

/// The first commands of a process, and the same again, with all states in memory.
#[derive(Default)]
struct Decisions {
    first: Measured,
    warm: Measured,
}

impl Decisions {
    fn push(&mut self, [first, warm]: [Outcome; 2]) {
        self.first.push(first);
        self.warm.push(warm);
    }
}

pub fn run(stage: &Stage, report: &mut Report) -> Result<()> {
    let load = Load {
        commands: if stage.quick { 4_000 } else { 20_000 },
        aggregates: 1_000,
        callers: 64,
        first: 0,
    };
    let [mut one, mut two] = std::array::from_fn(|_| Decisions::default());
    for _ in 0..RUNS {
        one.push(ours::deposits_twice(load, &stage.database.fresh()?)?);
        two.push(ours::enrolments_twice(load, &stage.database.fresh()?)?);
    }
    let log = Log::write(stage.quick, &stage.database)?;
    super::replay::run(&log, report)?;
    let [mut long_one, mut long_two] = std::array::from_fn(|_| Decisions::default());
    for run in 0..RUNS {
        // Courses and students of the filled log, in each run others: what the run before has added to them
        // is not loaded.
        let load = Load {
            first: u32::try_from(run)? * load.aggregates,
            ..load
        };
        long_one.push(ours::deposits_twice(load, &log.url)?);
        long_two.push(ours::enrolments_twice(load, &log.url)?);
    }
    judge([&one, &two], [&long_one, &long_two], report);

    let [events, tags] = [log.events, log.tags].map(|it| grouped(&it.to_string()));
    let empty = "an empty log";
    let long = format!("a log of {events} events and {tags} tags");
    let floor = one.first.per_second.median();
    for (aggregates, log, Decisions { first, warm }) in [
        ("one aggregate", empty, one),
        ("two aggregates", empty, two),
        ("one aggregate", &long, long_one),
        ("two aggregates", &long, long_two),
    ] {
        for (states, it) in [("first commands", first), ("states warm", warm)] {
            let workload = "decisions about two aggregates, 64 callers";
            let who = format!("ours, {aggregates}, {log}, {states}");
            let row = Row::new(workload, &who, "commands/s", it.per_second);
            report.row(row.latency(it.p50, it.p99).against("the first line", floor));
        }
    }
    Ok(())
}

/// Decisions about one aggregate and about two, on an empty log and on a long one.
fn judge(empty: [&Decisions; 2], long: [&Decisions; 2], report: &mut Report) {
    let [one, two] = empty.map(|it| it.first.per_second.median());
    let what = "decisions about two aggregates against one";
    report.goal(Goal::at_least("two", what, two, 0.7, one));
    let [one, two] = long.map(|it| it.first.per_second.median());
    let what = "the same on a log with many tags against one";
    report.goal(Goal::at_least("two-long", what, two, 0.7, one));
    for (key, aggregates, empty, long) in [
        ("long-1", "one aggregate", empty[0], long[0]),
        ("long-2", "two aggregates", empty[1], long[1]),
    ] {
        let what = format!("{aggregates} on a long log against an empty one, states warm");
        let [empty, long] = [empty, long].map(|it| it.warm.per_second.median());
        report.goal(Goal::at_least(key, &what, long, 0.9, empty));
    }
}
