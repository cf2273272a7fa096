//! 64 callers that all send their commands to one aggregate.

use std::time::Duration;

use super::{RUNS, Stage, ours, raw};
use crate::Result;
use crate::goal::Goal;
use crate::measured::Measured;
use crate::report::{Report, Row};
use crate::runs::Runs;

const CALLERS: u32 = 64;

/// The figures of one contender's callers, with the shares of their commands that failed.
#[derive(Default)]
struct Seen(Measured, Runs);

pub fn run(stage: &Stage, report: &mut Report) -> Result<()> {
    let Stage {
        peers, database, ..
    } = stage;
    let millis = if stage.quick { 500_u32 } else { 2_000 };
    let time = Duration::from_millis(millis.into());
    let [mut ours, mut raw] = std::array::from_fn(|_| Seen::default());
    let mut theirs: Vec<_> = peers.iter().map(|_| Seen::default()).collect();
    for _ in 0..RUNS {
        let (outcome, failed) = ours::hot(CALLERS, time, &database.fresh()?)?;
        ours.0.push(outcome);
        ours.1.push(failed);
        let (outcome, failed) = raw::counter(CALLERS, time, &database.fresh()?)?;
        raw.0.push(outcome);
        raw.1.push(failed);
        for (peer, seen) in peers.iter().zip(&mut theirs) {
            let call = peer.call(peer.hot.workload, database)?;
            let call = call.set("CALLERS", CALLERS).set("MILLIS", millis);
            let call = call.set("CONNECTIONS", peer.hot.connections);
            let answer = call.set("SNAPSHOTS", peer.hot.snapshots).answer()?;
            seen.0.push(answer.outcome()?);
            seen.1.push(answer.number("failed")?);
        }
    }
    let rates = theirs.iter().map(|it| it.0.per_second.median());
    let best = rates.fold(f64::NAN, f64::max);
    let per_second = ours.0.per_second.median();
    let what = "64 callers on one aggregate against the best peer";
    report.goal(Goal::at_least("hot", what, per_second, 10.0, best));
    let what = "commands that fail with 64 callers on one aggregate";
    let failed = ours.1.highest() * 100.0;
    report.goal(Goal::at_most("hot-failures", what, failed, 0.0, "%"));

    let mut row = |who: String, Seen(it, failed): Seen| {
        let who = match failed.median() * 100.0 {
            0.0 => who,
            failed => format!("{who}, {failed:.0} % fail"),
        };
        let workload = "64 callers, one aggregate";
        let row = Row::new(workload, &who, "commands/s", it.per_second);
        report.row(row.latency(it.p50, it.p99).against("best peer", best));
    };
    row("ours".to_owned(), ours);
    row("UPDATE of a counter with the INSERT".to_owned(), raw);
    for (peer, seen) in peers.iter().zip(theirs) {
        row(format!("{}, {}", peer.label(), peer.hot.how), seen);
    }
    Ok(())
}
