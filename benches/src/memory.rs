//! `execute` in memory: load, decide, check for conflicts, store one event. One caller.

use std::time::{Duration, Instant};

use cqrs_core::{Dispatcher, Memory};

use crate::Result;
use crate::args::Args;
use crate::domain::{self, AccountId, Deposit};
use crate::goal::Goal;
use crate::load::Load;
use crate::peer::Peer;
use crate::report::{Report, Row};
use crate::runs::Runs;

/// Number of events of an aggregate at the end: few, and many. A store that loads all of them
/// handles each event again for every command.
const DEPTHS: [u32; 2] = [20, 200];

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let peer = Peer::cqrs_es()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for depth in DEPTHS {
        let aggregates = if args.quick { 100 } else { 1_000 };
        let load = Load {
            commands: aggregates * depth,
            aggregates,
            callers: 1,
        };
        let rounds = DEPTHS[1] / depth;
        let [mut ours, mut theirs, mut quiet] = [const { Vec::new() }; 3];
        for _ in 0..args.runs() {
            ours.push(runtime.block_on(rounds_of(load, rounds))?);
            theirs.push(in_memory(&peer, "memory", load, rounds)?);
            quiet.push(in_memory(&peer, "memory-quiet", load, rounds)?);
        }
        let [ours, theirs, quiet] =
            [ours, theirs, quiet].map(|it| it.into_iter().collect::<Runs>());
        let workload = format!("execute in memory, {depth} events per aggregate");
        let other = theirs.median();
        let mut row = |who, runs: &Runs| {
            let row = Row::new(&workload, who, "commands/s", runs.clone());
            report.row(row.against("cqrs-es", other));
        };
        row("ours", &ours);
        row("cqrs-es 0.5, MemStore", &theirs);
        row("the same without its println!", &quiet);
        report.goal(Goal::at_least(
            &format!("in-memory `execute` against cqrs-es, {depth} events per aggregate"),
            ours.median(),
            10.0,
            other,
        ));
    }
    report.note(
        "execute in memory: 1 000 aggregates, each command reads one and adds one event, one \
         caller, an empty store for each round. Ours writes and reads JSON, checks the boundary \
         and records the command's id; MemStore keeps Rust values, checks nothing, and prints two \
         lines per command (to nowhere, here).",
    );
    Ok(())
}

/// Commands per second on `MemStore`, or on the same without its `println!`.
fn in_memory(peer: &Peer, workload: &str, load: Load, rounds: u32) -> Result<f64> {
    let call = peer.call(workload).load(load).set("ROUNDS", rounds);
    call.answer()?.number("per_second")
}

async fn rounds_of(load: Load, rounds: u32) -> Result<f64> {
    let mut took = Duration::ZERO;
    for _ in 0..rounds {
        took += round(load).await?;
    }
    Ok(f64::from(load.commands * rounds) / took.as_secs_f64())
}

async fn round(load: Load) -> Result<Duration> {
    let builder = Dispatcher::builder().store(Memory::new());
    let dispatcher = builder.module(domain::module()).build().await?;
    let ids: Vec<_> = load
        .ids_of(0)
        .take(load.aggregates as usize)
        .map(AccountId)
        .collect();
    let start = Instant::now();
    for account in ids.iter().cycle().take(load.commands as usize) {
        dispatcher
            .execute(Deposit {
                account: account.clone(),
                amount: 1,
            })
            .await?;
    }
    Ok(start.elapsed())
}
