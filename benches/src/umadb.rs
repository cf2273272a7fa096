//! `execute` with the log on UmaDB, beside appends to the same log without a dispatcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cqrs_core::store::{Append, EventData, EventLog, EventQuery, EventType, Tag};
use cqrs_core::{CommandId, Dispatcher, Memory, Position};
use cqrs_umadb::UmaDb;
use test_umadb::Server;

use crate::Result;
use crate::args::Args;
use crate::callers::{deposits_of, execute, measure};
use crate::domain;
use crate::load::{Load, Outcome};
use crate::measured::Measured;
use crate::report::{Report, Row};

const CALLERS: [u32; 4] = [1, 16, 64, 256];

/// These take long.
const RUNS: usize = 3;

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let commands = if args.quick { 2_000 } else { 20_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for callers in CALLERS {
        let load = Load {
            commands,
            aggregates: 1_000,
            callers,
            first: 0,
        };
        let [mut ours, mut appends] = std::array::from_fn(|_| Measured::default());
        for _ in 0..RUNS {
            // An empty log for each run.
            let Some(server) = Server::start("execute on UmaDB") else {
                return Ok(());
            };
            ours.push(runtime.block_on(commands_on(&server, load))?);
            let Some(server) = Server::start("append on UmaDB") else {
                return Ok(());
            };
            appends.push(runtime.block_on(appends_on(&server, load))?);
        }
        let workload = format!("execute on UmaDB, {callers} callers");
        let floor = appends.per_second.median();
        for (who, it) in [("ours", ours), ("appends without a dispatcher", appends)] {
            let row = Row::new(&workload, who, "commands/s", it.per_second);
            report.row(row.latency(it.p50, it.p99).against("appends", floor));
        }
    }
    report.note(
        "execute on UmaDB: server 0.7.8 with its defaults, which syncs every batch, on the same \
         machine; 1 000 aggregates, each command reads one and adds one event; callers share no \
         aggregates; an empty log for each run. The appends have the same condition, and no state \
         in memory.",
    );
    Ok(())
}

async fn commands_on(server: &Server, load: Load) -> Result<Outcome> {
    let log = UmaDb::connect(&server.url()).await?;
    let builder = Dispatcher::builder().log(log).views(Memory::new());
    let dispatcher = builder.module(domain::module()).build().await?;
    execute(&dispatcher, deposits_of(load)).await
}

/// An account and the position of its last event.
struct Account {
    tag: Tag,
    last: AtomicU64,
}

async fn appends_on(server: &Server, load: Load) -> Result<Outcome> {
    let log = UmaDb::connect(&server.url()).await?;
    let accounts: Vec<_> = (0..load.aggregates)
        .map(|number| {
            Arc::new(Account {
                tag: Tag::new("account", Load::id(number)),
                last: AtomicU64::new(0),
            })
        })
        .collect();
    let commands = (0..load.callers).map(|caller| {
        let numbers = load.numbers_of(caller);
        numbers
            .map(|number| accounts[number as usize].clone())
            .collect()
    });
    let send = move |account: Arc<Account>| {
        let log = log.clone();
        async move {
            let event = EventData {
                event_type: EventType::new("deposited"),
                version: 1,
                tags: account.tag.clone().into(),
                payload: format!(r#"{{"account":"{}","amount":1}}"#, account.tag.id()).into_bytes(),
            };
            let after = Position::new(account.last.load(Ordering::Relaxed));
            let query = EventQuery::tagged(account.tag.clone());
            let append = Append::new(CommandId::new(), vec![event]).unless(query, after);
            let appended = log.append(append).await?;
            account.last.store(appended.last.get(), Ordering::Relaxed);
            Ok(())
        }
    };
    measure(commands.collect(), send).await
}
