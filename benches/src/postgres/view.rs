//! A read model that is kept up to date: callers read the effects of their commands.

use super::contender::Contender;
use super::database::Database;
use super::{RUNS, ours};
use crate::Result;
use crate::domain::Deposit;
use crate::goal::Goal;
use crate::load::Load;
use crate::measured::Measured;
use crate::report::{Report, Row};
use crate::tables::{BookByTx, BookByWrites};

/// Beside the only peer with views.
pub fn run(
    quick: bool,
    cqrs_es: &Contender,
    database: &Database,
    report: &mut Report,
) -> Result<()> {
    let load = Load {
        commands: if quick { 2_000 } else { 20_000 },
        aggregates: 1_000,
        callers: 64,
        first: 0,
    };
    let [mut ours, mut tx, mut writes, mut ten, mut many] =
        std::array::from_fn(|_| Measured::default());
    for _ in 0..RUNS {
        ours.push(ours::viewed(load, &database.fresh()?)?);
        tx.push(ours::tabled(
            load.at_most(5_000),
            &database.fresh()?,
            |Deposit { account, amount }| BookByTx { account, amount },
        )?);
        writes.push(ours::tabled(
            load,
            &database.fresh()?,
            |Deposit { account, amount }| BookByWrites { account, amount },
        )?);
        for (connections, measured) in [(10, &mut ten), (64, &mut many)] {
            let call = cqrs_es.call("view", database)?.load(load.at_most(5_000));
            measured.push(call.set("CONNECTIONS", connections).outcome()?);
        }
    }
    let (pool, theirs) = Measured::best([("a pool of 10", ten), ("a pool of 64", many)]);
    let other = theirs.per_second.median();
    let what = "64 callers that read what they wrote, against cqrs-es with a view";
    let rate = ours.per_second.median();
    report.goal(Goal::at_least("view", what, rate, 10.0, other));
    for (key, input, it, times) in [("writes", "Writes", &writes, 6.0), ("tx", "Tx", &tx, 2.5)] {
        let what = format!(
            "rows by `{input}` in the transaction, 64 callers, against cqrs-es with a view"
        );
        let rate = it.per_second.median();
        report.goal(Goal::at_least(key, &what, rate, times, other));
    }
    let mut row = |who: &str, it: Measured| {
        let workload = "execute, then the read model, 64 callers";
        let row = Row::new(workload, who, "commands/s", it.per_second);
        report.row(row.latency(it.p50, it.p99).against("cqrs-es", other));
    };
    row("ours, a projection", ours);
    row(
        "ours, a row by `Writes` in the transaction of the events",
        writes,
    );
    row("ours, a row by `Tx` in the transaction of the events", tx);
    row(&format!("{} and its view, {pool}", cqrs_es.label()), theirs);
    Ok(())
}
