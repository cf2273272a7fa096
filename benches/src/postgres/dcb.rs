//! Decisions about two aggregates at once, on an empty log and on a long one.

use super::log::Log;
use super::{RUNS, Stage, ours};
use crate::Result;
use crate::digits::grouped;
use crate::goal::Goal;
use crate::load::Load;
use crate::measured::Measured;
use crate::report::{Report, Row};

pub fn run(stage: &Stage, report: &mut Report) -> Result<()> {
    let load = Load {
        commands: if stage.quick { 4_000 } else { 20_000 },
        aggregates: 1_000,
        callers: 64,
    };
    let [mut one, mut two] = std::array::from_fn(|_| Measured::default());
    for _ in 0..RUNS {
        one.push(ours::deposits(load, &stage.database.fresh()?)?);
        two.push(ours::enrolments(load, &stage.database.fresh()?)?);
    }
    let log = Log::write(stage.quick, &stage.database)?;
    super::replay::run(&log, report)?;
    let [mut long_one, mut long_two] = std::array::from_fn(|_| Measured::default());
    for _ in 0..RUNS {
        // Both workloads start with the aggregates of the filled log, and add events to them.
        long_one.push(ours::deposits(load, &log.url)?);
        long_two.push(ours::enrolments(load, &log.url)?);
    }
    let [first, second, third] = [&one, &two, &long_two].map(|it| it.per_second.median());
    let what = "decisions about two aggregates against one";
    report.goal(Goal::at_least(what, second, 0.7, first));
    let what = "the same on a log with many tags against one";
    report.goal(Goal::at_least(
        what,
        third,
        0.7,
        long_one.per_second.median(),
    ));
    let what = "the same on a log with many tags against an empty one";
    report.goal(Goal::at_least(what, third, 0.9, second));

    let mut row = |who: &str, it: Measured| {
        let workload = "decisions about two aggregates, 64 callers";
        let row = Row::new(workload, who, "commands/s", it.per_second);
        let row = row.latency(it.p50, it.p99);
        report.row(row.against("one aggregate, empty log", first));
    };
    let [events, tags] = [log.events, log.tags].map(|it| grouped(&it.to_string()));
    let there = format!("a log of {events} events and {tags} tags");
    row("ours, one aggregate, an empty log", one);
    row("ours, two aggregates, an empty log", two);
    row(&format!("ours, one aggregate, {there}"), long_one);
    row(&format!("ours, two aggregates, {there}"), long_two);
    Ok(())
}
