//! `execute` on PostgreSQL, beside what the database allows.

mod database;
mod ours;
mod raw;

use crate::args::Args;
use crate::goal::Goal;
use crate::load::Load;
use crate::measured::Measured;
use crate::peer::CqrsEs;
use crate::report::{Report, Row};
use crate::runs::Runs;
use crate::{Result, postgres::database::Database};

const CALLERS: [u32; 4] = [1, 16, 64, 256];

/// These take long.
const RUNS: usize = 3;

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let peer = CqrsEs::build()?;
    let database = Database::new()?;
    let version = database.version()?;
    for callers in CALLERS {
        let commands = match callers {
            1 => 4_000,
            _ => 20_000,
        };
        let load = Load {
            commands: if args.quick { commands / 10 } else { commands },
            aggregates: 1_000,
            callers,
        };
        measure(load, &peer, &database, report)?;
    }
    floors(args, &database, report)?;
    report.note(format!(
        "execute on PostgreSQL: {version}, on this machine, over TCP, fsync=on and \
         synchronous_commit=on; 1 000 aggregates, commands that each read one and add one event; \
         callers share no aggregates; fresh tables for each run. Ours: all defaults, states of \
         aggregates in memory after their first command. INSERT: one row with a bigserial and the \
         aggregate's number, one statement and commit per command, a connection for each caller; \
         nothing is read, and subscribers could miss rows. Load and insert: SELECT of the \
         aggregate's rows before it, with unique (aggregate, seq). postgres-es on a pool of 10, its \
         default, or one for each caller up to 64, whichever is faster.",
    ));
    Ok(())
}

fn measure(load: Load, peer: &CqrsEs, database: &Database, report: &mut Report) -> Result<()> {
    let callers = load.callers;
    let [mut ours, mut insert, mut load_insert, mut ten, mut many] =
        std::array::from_fn(|_| Measured::default());
    for _ in 0..RUNS {
        ours.push(ours::run(load, &database.fresh()?)?);
        insert.push(raw::insert(load, &database.fresh()?)?);
        load_insert.push(raw::load_and_insert(load, &database.fresh()?)?);
        ten.push(peer.postgres(load, 10, &database.fresh()?)?);
        many.push(peer.postgres(load, callers.clamp(1, 64), &database.fresh()?)?);
    }
    let (pool, theirs) = Measured::best([("a pool of 10", ten), ("one for each caller", many)]);
    let floor = insert.per_second.median();
    let (per_second, best) = (ours.per_second.median(), theirs.per_second.median());
    let wanted = match callers {
        1 => Some(2.5),
        16 => Some(5.0),
        64 => Some(8.0),
        _ => None,
    };
    if let Some(wanted) = wanted {
        let what = format!(
            "{callers} caller{} on PostgreSQL against cqrs-es",
            if callers == 1 { "" } else { "s" }
        );
        report.goal(Goal::at_least(&what, per_second, wanted, best));
    }
    if callers == 1 {
        let what = "p50 of one caller on PostgreSQL against an INSERT";
        let ratio = ours.p50.median() / insert.p50.median();
        report.goal(Goal::at_most(what, ratio, 1.3, "x"));
    } else {
        let what = format!("{callers} callers on PostgreSQL against an INSERT per commit");
        report.goal(Goal::at_least(&what, per_second, 1.0, floor));
    }
    if callers == 64 {
        let what = "p99 with 64 callers on PostgreSQL";
        report.goal(Goal::at_most(what, ours.p99.median() / 1000.0, 15.0, "ms"));
    }
    let workload = format!(
        "execute on PostgreSQL, {callers} caller{}",
        if callers == 1 { "" } else { "s" }
    );
    let mut row = |who: &str, it: Measured| {
        let row = Row::new(&workload, who, "commands/s", it.per_second);
        report.row(row.latency(it.p50, it.p99).against("INSERT", floor));
    };
    row("ours", ours);
    row("INSERT, one commit per command", insert);
    row("load and insert", load_insert);
    row(&format!("cqrs-es 0.5 with postgres-es 0.5, {pool}"), theirs);
    Ok(())
}

/// What the database can take in at all.
fn floors(args: &Args, database: &Database, report: &mut Report) -> Result<()> {
    let rows = if args.quick { 20_000 } else { 200_000 };
    let [mut copy, mut unnest] = [const { Vec::new() }; 2];
    for _ in 0..RUNS {
        copy.push(raw::copy(rows, &database.fresh()?)?);
        unnest.push(raw::unnest(rows, &database.fresh()?)?);
    }
    let mut row = |who: &str, figures: Vec<f64>| {
        let runs: Runs = figures.into_iter().collect();
        report.row(Row::new("rows into PostgreSQL", who, "rows/s", runs));
    };
    row("COPY, one commit", copy);
    row(
        "INSERT of 500 rows by unnest per commit, one connection",
        unnest,
    );
    Ok(())
}
