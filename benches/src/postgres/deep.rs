//! A command to one aggregate that has many events.

use super::contender::Contender;
use super::database::Database;
use super::{RUNS, Stage, ours, raw};
use crate::Result;
use crate::goal::Goal;
use crate::report::{Report, Row};
use crate::runs::Runs;

const EVENTS: u32 = 10_000;

/// Number of commands in a run. Its figure is their median.
const ROUNDS: u32 = 21;

pub fn run(stage: &Stage, report: &mut Report) -> Result<()> {
    let Stage {
        peers, database, ..
    } = stage;
    let [mut cached, mut snapshot, mut cold, mut raw] = std::array::from_fn(|_| Runs::default());
    let mut theirs: Vec<_> = peers
        .iter()
        .map(|_| [Runs::default(), Runs::default()])
        .collect();
    for _ in 0..RUNS {
        let ours = ours::deep(EVENTS, ROUNDS, &database.fresh()?)?;
        cached.push(ours.cached);
        snapshot.push(ours.snapshot);
        cold.push(ours.cold);
        raw.push(raw::deep(EVENTS, ROUNDS, &database.fresh()?)?);
        for (peer, [cold, stored]) in peers.iter().zip(&mut theirs) {
            cold.push(millis(peer, 0, stage.quick, database)?);
            if peer.snapshots > 0 {
                stored.push(millis(peer, peer.snapshots, stage.quick, database)?);
            }
        }
    }
    let best = theirs.iter().map(|[cold, _]| cold.median());
    let best = best.fold(f64::NAN, f64::min);
    let what = "a command to 10 000 events, state in memory";
    report.goal(Goal::at_most(
        "deep-cached",
        what,
        cached.median(),
        1.0,
        "ms",
    ));
    let what = "a command to 10 000 events, from a snapshot";
    report.goal(Goal::at_most(
        "deep-snapshot",
        what,
        snapshot.median(),
        1.0,
        "ms",
    ));
    let what = "a command to 10 000 events, cold: speed against the best peer";
    report.goal(Goal::at_least("deep-cold", what, best, 2.1, cold.median()));

    let mut row = |who: &str, runs: Runs| {
        let row = Row::new(
            "a command to an aggregate of 10 000 events",
            who,
            "ms",
            runs,
        );
        report.row(row.against("best peer, cold", best));
    };
    row("ours, state in memory", cached);
    row("ours, from a snapshot", snapshot);
    row("ours, cold", cold);
    row("load and insert", raw);
    for (peer, [cold, stored]) in peers.iter().zip(theirs) {
        row(&format!("{}, cold", peer.label()), cold);
        if stored.count() > 0 {
            row(&format!("{}, from a snapshot", peer.label()), stored);
        }
    }
    Ok(())
}

fn millis(peer: &Contender, snapshots: u32, quick: bool, database: &Database) -> Result<f64> {
    // evento waits a second after every thousand events that it reads.
    let waits = snapshots == 0 && peer.peer.name.starts_with("evento");
    let rounds = if waits { 1 } else { ROUNDS };
    // A trial need not wait for all of them.
    let events = if waits && quick { 2_000 } else { EVENTS };
    let call = peer.call("load", database)?.set("CONNECTIONS", 2);
    let call = call.set("EVENTS", events).set("ROUNDS", rounds);
    call.set("SNAPSHOTS", snapshots).answer()?.number("millis")
}
