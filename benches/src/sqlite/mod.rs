//! `execute` on a database file, beside its peers and beside SQL by hand.

pub mod ours;
mod peers;
mod raw;

use crate::Result;
use crate::args::Args;
use crate::goal::Goal;
use crate::load::{self, Load};
use crate::measured::Measured;
use crate::report::{Report, Row};
use peers::Pools;
pub use peers::{CACHE, CHECKPOINT};
pub use raw::open;

const CALLERS: [u32; 5] = [1, 2, 4, 16, 64];

/// The peers run with these only, and send fewer commands.
const PEERS: [u32; 3] = [1, 16, 64];
const COMMANDS_OF_PEERS: u32 = 5_000;

/// The rate against one transaction per command, for these callers.
const GOALS: [(u32, f64); 4] = [(1, 0.95), (2, 0.9), (4, 1.5), (64, 13.0)];

/// These take long.
const RUNS: usize = 3;

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let peers = peers::all()?;
    let commands = if args.quick { 2_000 } else { 20_000 };
    let mut version = String::new();
    for callers in CALLERS {
        let load = Load {
            commands,
            aggregates: 1_000,
            callers,
            first: 0,
        };
        let [mut ours, mut own, mut shared, mut queued] =
            std::array::from_fn(|_| Measured::default());
        let mut theirs: Vec<_> = peers.iter().map(|_| Pools::default()).collect();
        for _ in 0..RUNS {
            ours.push(ours::run(load)?);
            own.push(raw::own_connections(load)?);
            shared.push(raw::shared_connection(load)?);
            queued.push(raw::queued_connection(load)?);
            if PEERS.contains(&callers) {
                for (peer, pools) in peers.iter().zip(&mut theirs) {
                    version = pools.push(peer, load.at_most(COMMANDS_OF_PEERS))?;
                }
            }
        }
        let (how, raw) = Measured::best([
            ("a connection each", own),
            ("one connection", shared),
            ("one thread with the connection", queued),
        ]);
        let floor = raw.per_second.median();
        let workload = format!("execute on SQLite, {}", load::callers(callers));
        let baseline = match callers {
            1 => "rusqlite, load and insert".to_owned(),
            _ => format!("rusqlite, one transaction per command, {how}"),
        };
        if let Some((_, times)) = GOALS.iter().find(|(number, _)| *number == callers) {
            report.goal(Goal::at_least(
                &format!("sqlite-{callers}"),
                &format!(
                    "{} on SQLite against one transaction per command",
                    load::callers(callers)
                ),
                ours.per_second.median(),
                *times,
                floor,
            ));
        }
        let mut row = |who: &str, it: Measured| {
            let row = Row::new(&workload, who, "commands/s", it.per_second);
            report.row(row.latency(it.p50, it.p99).against("rusqlite", floor));
        };
        row("ours", ours);
        row(&baseline, raw);
        if PEERS.contains(&callers) {
            for (peer, pools) in peers.iter().zip(theirs) {
                let (pool, measured) = pools.best();
                row(&format!("{}, {pool}", peers::label(peer)), measured);
            }
        }
    }
    report.note(format!(
        "execute on SQLite: WAL, synchronous=FULL, wal_autocheckpoint={CHECKPOINT}, \
         cache_size={CACHE} for everyone; 1 000 aggregates, {commands} commands (peers at most \
         {COMMANDS_OF_PEERS}) that each read one and add one event; callers share no aggregates; a \
         fresh file for each run. rusqlite: BEGIN \
         IMMEDIATE, SELECT of the aggregate's events, INSERT with unique (aggregate, seq), COMMIT, \
         statements prepared once; the fastest of a connection for each caller, one connection \
         behind a mutex, one thread with the connection and a queue. sqlite-es and evento on a pool \
         of 10 or of 1, whichever is faster; evento stores a snapshot with every command, as it \
         always does. SQLite {} (ours and rusqlite), {version} (the others).",
        rusqlite::version(),
    ));
    Ok(())
}
