//! `execute` on PostgreSQL, beside its peers and beside the limits of the database.

pub mod contender;
pub mod database;
mod dcb;
mod deep;
mod floors;
mod hot;
mod log;
pub mod ours;
pub mod raw;
mod replay;
mod spread;
pub mod view;

use std::time::Instant;

use crate::Result;
use crate::args::Args;
use crate::goal::Goal;
use crate::load::Load;
use crate::report::Report;
use contender::Contender;
use database::Database;

const CALLERS: [u32; 4] = [1, 16, 64, 256];

/// These take long.
const RUNS: usize = 3;

/// The data that the workloads of this part share.
struct Stage {
    /// Whether to run smaller workloads, as a smoke test.
    quick: bool,
    /// The peers, cqrs-es first.
    peers: [Contender; 4],
    database: Database,
}

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let stage = Stage {
        quick: args.quick,
        peers: contender::all()?,
        database: Database::new()?,
    };
    let start = Instant::now();
    let said = |what: &str| eprintln!("  {:.0} s: {what} ..", start.elapsed().as_secs_f64());
    let most = spread(&stage, report, &said)?;
    said("floors");
    let copy = floors::run(&stage, report)?;
    let what = "256 callers on PostgreSQL against COPY of as many rows";
    report.goal(Goal::at_least("pg-256-copy", what, most, 0.33, copy));
    said("one aggregate");
    hot::run(&stage, report)?;
    said("10 000 events");
    deep::run(&stage, report)?;
    said("two aggregates, replay");
    dcb::run(&stage, report)?;
    said("done");
    notes(&stage.database.version()?, report);
    Ok(())
}

/// The median of our commands per second with most callers.
fn spread(stage: &Stage, report: &mut Report, said: &dyn Fn(&str)) -> Result<f64> {
    let mut most = f64::NAN;
    for callers in CALLERS {
        said(&format!("{callers} callers"));
        let commands = match callers {
            1 => 4_000,
            _ => 20_000,
        };
        let load = Load {
            commands: if stage.quick { commands / 10 } else { commands },
            aggregates: if stage.quick { 400 } else { 1_000 },
            callers,
            first: 0,
        };
        most = spread::run(load, stage, report)?;
    }
    Ok(most)
}

fn notes(version: &str, report: &mut Report) {
    report.note(format!(
        "PostgreSQL: {version}, on this machine, over TCP, fsync=on and synchronous_commit=on; \
         fresh tables for each run."
    ));
    report.note(
        "execute on PostgreSQL: 1 000 aggregates, commands that each read one and add one event; \
         callers share no aggregates. Ours: all defaults, states of aggregates in memory after \
         their first command. INSERT: one row with a bigserial and the aggregate's number, one \
         statement and commit per command, a connection for each caller; nothing is read, and \
         subscribers could miss rows. Load and insert: SELECT of the aggregate's rows before it, \
         with unique (aggregate, seq). Peers: on a pool of 10, which is usual, or of one for each \
         caller up to 64, whichever a trial shows to be faster; runs have as many commands as take \
         a few seconds, at least one for each aggregate, so peers find aggregates with fewer \
         events than we do. disintegrate without snapshots; its serializable transactions fail \
         each other though callers share nothing, and are sent again until they succeed. Its own \
         migration needs PostgreSQL 16; before, the benchmarks make its function with the same \
         number in decimals. esrs loads without its lock. evento stores a snapshot with every \
         command, as it always does.",
    );
    report.note(
        "64 callers, one aggregate: for two seconds, on an aggregate without events; a command \
         that fails is sent again at once. Ours decides again by itself. esrs takes its advisory \
         lock, as its documentation says, on a pool of 80; the others document no way to try \
         again, and cqrs-es has its snapshots, disintegrate none and a pool of 10, each with what \
         gave it most successes. UPDATE: one statement that raises the aggregate's row and inserts \
         with its number, so callers wait for its lock.",
    );
    report.note(
        "a command to an aggregate of 10 000 events: load, decide, append, commit, one caller; \
         median of 21 in each run. Cold: on open connections, with nothing about the aggregate in \
         memory and no snapshot; ours with `state_cache(0)`. Ours and cqrs-es from a snapshot at \
         most 100 events old, disintegrate asked for one every 100. evento waits a second after \
         every thousand events that it reads without a snapshot; its cold figure is of one \
         command per run.",
    );
    report.note(
        "decisions about two aggregates: an event with two tags, a boundary of two; 1 000 courses \
         and as many students, in changing pairs; callers share none. The long log was written \
         through the store, ten events to each course and student; the thousand that the commands \
         of a run go to are among them, and have no events of an earlier run. First commands: a process that has no states in memory yet. Warm: the \
         same commands again, in the same process. replay: that log; of each row of the query, \
         position and payload are looked at and nothing is kept.",
    );
}
