//! Callers that share no aggregates.

use super::{RUNS, Stage, ours, raw};
use crate::Result;
use crate::goal::Goal;
use crate::load::{Load, callers};
use crate::measured::Measured;
use crate::report::{Report, Row};

/// The median of our commands per second.
pub fn run(load: Load, stage: &Stage, report: &mut Report) -> Result<f64> {
    let Stage {
        peers, database, ..
    } = stage;
    let [mut ours, mut insert, mut load_insert] = std::array::from_fn(|_| Measured::default());
    let mut pools = Vec::new();
    for peer in peers {
        pools.push((peer.pool(load, database)?, Measured::default()));
    }
    for _ in 0..RUNS {
        ours.push(ours::deposits(load, &database.fresh()?)?);
        insert.push(raw::insert(load, &database.fresh()?)?);
        load_insert.push(raw::load_and_insert(load, &database.fresh()?)?);
        for (peer, (connections, measured)) in peers.iter().zip(&mut pools) {
            measured.push(peer.spread(load, *connections, database)?);
        }
    }
    let rates = pools.iter().map(|(_, it)| it.per_second.median());
    let rates: Vec<_> = rates.collect();
    judge(load.callers, &ours, &insert, &rates, report);

    let (per_second, floor) = (ours.per_second.median(), insert.per_second.median());
    let workload = format!("execute on PostgreSQL, {}", callers(load.callers));
    let mut row = |who: &str, it: Measured| {
        let row = Row::new(&workload, who, "commands/s", it.per_second);
        report.row(row.latency(it.p50, it.p99).against("INSERT", floor));
    };
    row("ours", ours);
    row("INSERT, one commit per command", insert);
    row("load and insert", load_insert);
    for (peer, (connections, measured)) in peers.iter().zip(pools) {
        let who = format!("{}, a pool of {connections}", peer.label());
        row(&who, measured);
    }
    Ok(per_second)
}

/// `theirs` are the peers' commands per second, cqrs-es first.
fn judge(number: u32, ours: &Measured, insert: &Measured, theirs: &[f64], report: &mut Report) {
    let (per_second, floor) = (ours.per_second.median(), insert.per_second.median());
    let best = theirs.iter().copied().fold(f64::NAN, f64::max);
    let what = format!("{} on PostgreSQL against", callers(number));
    let against_best = format!("{what} the best peer");
    match number {
        1 => {
            let cqrs_es = theirs.first().copied().unwrap_or(f64::NAN);
            let what = format!("{what} cqrs-es");
            report.goal(Goal::at_least("pg-1", &what, per_second, 1.8, cqrs_es));
            let what = "p50 of one caller on PostgreSQL against an INSERT";
            let ratio = ours.p50.median() / insert.p50.median();
            report.goal(Goal::at_most("pg-1-p50", what, ratio, 1.3, "x"));
        }
        16 => {
            report.goal(Goal::at_least(
                "pg-16",
                &against_best,
                per_second,
                5.0,
                best,
            ));
        }
        64 => {
            report.goal(Goal::at_least(
                "pg-64",
                &against_best,
                per_second,
                11.0,
                best,
            ));
            let what = format!("{what} an INSERT per commit");
            report.goal(Goal::at_least(
                "pg-64-insert",
                &what,
                per_second,
                1.0,
                floor,
            ));
            let what = "p99 with 64 callers on PostgreSQL";
            let p99 = ours.p99.median() / 1000.0;
            report.goal(Goal::at_most("pg-64-p99", what, p99, 15.0, "ms"));
        }
        _ => {}
    }
}
