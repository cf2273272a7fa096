//! `execute` in memory: load, decide, check for conflicts, store one event. One caller.

use std::time::{Duration, Instant};

use cqrs_core::{Dispatcher, Memory};

use crate::Result;
use crate::args::Args;
use crate::callers::{deposits_of, execute};
use crate::domain::{self, AccountId, Deposit};
use crate::goal::Goal;
use crate::load::{Load, Outcome};
use crate::measured::Measured;
use crate::peer::Peer;
use crate::report::{Report, Row};

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
            first: 0,
        };
        let rounds = DEPTHS[1] / depth;
        let [mut ours, mut theirs, mut quiet] = std::array::from_fn(|_| Measured::default());
        for _ in 0..args.runs() {
            ours.push(runtime.block_on(rounds_of(load, rounds))?);
            theirs.push(in_memory(&peer, "memory", load, rounds)?);
            quiet.push(in_memory(&peer, "memory-quiet", load, rounds)?);
        }
        let workload = format!("execute in memory, {depth} events per aggregate");
        let other = theirs.per_second.median();
        report.goal(Goal::at_least(
            &format!("memory-{depth}"),
            &format!("in-memory `execute` against cqrs-es, {depth} events per aggregate"),
            ours.per_second.median(),
            if depth < DEPTHS[1] { 2.0 } else { 10.0 },
            other,
        ));
        for (who, it) in [
            ("ours", ours),
            ("cqrs-es 0.5, MemStore", theirs),
            ("the same without its println!", quiet),
        ] {
            let row = Row::new(&workload, who, "commands/s", it.per_second);
            report.row(row.latency(it.p50, it.p99).against("cqrs-es", other));
        }
    }
    report.note(
        "execute in memory: 1 000 aggregates, each command reads one and adds one event, one \
         caller, an empty store for each round. Ours writes and reads JSON, checks the boundary \
         and records the command's id; MemStore keeps Rust values, checks nothing, and prints two \
         lines per command (to nowhere, here). Latencies are of a further round, since reading the \
         clock for each command takes time.",
    );
    Ok(())
}

/// `MemStore`, or the same without its `println!`.
fn in_memory(peer: &Peer, workload: &str, load: Load, rounds: u32) -> Result<Outcome> {
    let call = peer.call(workload).load(load).set("ROUNDS", rounds);
    call.outcome()
}

async fn rounds_of(load: Load, rounds: u32) -> Result<Outcome> {
    let mut took = Duration::ZERO;
    for _ in 0..rounds {
        took += round(load).await?;
    }
    Ok(Outcome {
        per_second: f64::from(load.commands * rounds) / took.as_secs_f64(),
        ..execute(&dispatcher().await?, deposits_of(load)).await?
    })
}

async fn dispatcher() -> Result<Dispatcher> {
    let builder = Dispatcher::builder().store(Memory::new());
    Ok(builder.module(domain::module()).build().await?)
}

async fn round(load: Load) -> Result<Duration> {
    let dispatcher = dispatcher().await?;
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
