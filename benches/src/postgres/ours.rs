//! This framework with its PostgreSQL store.

use std::time::{Duration, Instant};

use cqrs_core::app::Builder;
use cqrs_core::{Command, CommandError, Dispatcher};
use cqrs_postgres::Postgres;

use super::database::{block_on, connect};
use crate::callers::{deposit, deposits_of, execute, insist, measure};
use crate::domain::{AccountId, Deposit, Enrol, FillAccount, FillSavings, Save};
use crate::load::{Load, Outcome};
use crate::read_model::GetAccount;
use crate::tables::GetBalance;
use crate::{Error, Result, domain, read_model, tables};

pub fn deposits(load: Load, url: &str) -> Result<Outcome> {
    block_on(async {
        let dispatcher = builder(url).await?.build().await?;
        execute(&dispatcher, deposits_of(load)).await
    })
}

/// The first commands of a process, and the same again.
pub fn deposits_twice(load: Load, url: &str) -> Result<[Outcome; 2]> {
    twice(|| deposits_of(load), url)
}

/// The same with a decision about two aggregates per command.
pub fn enrolments_twice(load: Load, url: &str) -> Result<[Outcome; 2]> {
    twice(|| enrolments_of(load), url)
}

fn twice<C: Command>(commands: impl Fn() -> Vec<Vec<C>>, url: &str) -> Result<[Outcome; 2]>
where
    CommandError<C::Error>: Into<Error>,
{
    block_on(async {
        let dispatcher = builder(url).await?.build().await?;
        let first = execute(&dispatcher, commands()).await?;
        Ok([first, execute(&dispatcher, commands()).await?])
    })
}

/// A caller has as many courses as students, and enrols each student in another course each time,
/// so that the last events of the two are different ones.
fn enrolments_of(load: Load) -> Vec<Vec<Enrol>> {
    let commands = |caller| {
        let numbers: Vec<_> = load.numbers_of(caller).collect();
        let own = 1 + (load.aggregates - 1 - caller) / load.callers;
        let next = |at: usize| {
            let round = at / own as usize;
            numbers[(at + round) % own as usize]
        };
        let pair = |(at, course): (usize, &u32)| Enrol::new(*course, next(at));
        numbers.iter().enumerate().map(pair).collect()
    };
    (0..load.callers).map(commands).collect()
}

/// All callers on one aggregate. Also returns the share of commands that failed.
pub fn hot(callers: u32, time: Duration, url: &str) -> Result<(Outcome, f64)> {
    block_on(async {
        let dispatcher = builder(url).await?.build().await?;
        let send = move || {
            let dispatcher = dispatcher.clone();
            async move {
                dispatcher.execute(deposit("hot")).await?;
                Ok(())
            }
        };
        let insisted = insist(vec![send; callers as usize], time).await?;
        Ok(insisted.outcome())
    })
}

/// Each command, then a query that sees its effect.
pub fn viewed(load: Load, url: &str) -> Result<Outcome> {
    block_on(async {
        let builder = builder(url).await?.module(read_model::module());
        let dispatcher = builder.build().await?;
        measure(deposits_of(load), move |command| {
            let dispatcher = dispatcher.clone();
            async move {
                let account = command.account.clone();
                let receipt = dispatcher.execute(command).await?;
                let view = dispatcher.query(GetAccount { account }).after(&receipt);
                match view.await? {
                    Some(view) if view.balance > 0 => Ok(()),
                    _ => Err("the view has nothing".into()),
                }
            }
        })
        .await
    })
}

/// Each command with a row in its transaction, then a query of the row.
pub fn tabled<C: Command>(load: Load, url: &str, book: impl Fn(Deposit) -> C) -> Result<Outcome>
where
    CommandError<C::Error>: Into<Error>,
{
    block_on(async {
        let table = "CREATE TABLE balances (account text PRIMARY KEY, balance bigint NOT NULL)";
        connect(url).await?.batch_execute(table).await?;
        let builder = builder(url).await?.module(tables::module());
        let dispatcher = builder.build().await?;
        let books = deposits_of(load)
            .into_iter()
            .map(|deposits| {
                deposits
                    .into_iter()
                    .map(|deposit| (deposit.account.clone(), book(deposit)))
                    .collect()
            })
            .collect();
        measure(books, move |(account, command): (AccountId, C)| {
            let dispatcher = dispatcher.clone();
            async move {
                dispatcher
                    .execute(command)
                    .await
                    .map_err(Into::<Error>::into)?;
                match dispatcher.query(GetBalance { account }).await? {
                    balance if balance > 0 => Ok(()),
                    _ => Err("the row has nothing".into()),
                }
            }
        })
        .await
    })
}

/// Milliseconds of a command to an aggregate with many events.
pub struct Deep {
    pub cached: f64,
    pub snapshot: f64,
    pub cold: f64,
}

pub fn deep(events: u32, rounds: u32, url: &str) -> Result<Deep> {
    block_on(async {
        let keeps = builder(url).await?.build().await?;
        let forgets = builder(url).await?.state_cache(0).build().await?;
        let account = || AccountId("deep".to_owned());
        let fill = FillAccount {
            account: account(),
            events,
        };
        keeps.execute(fill).await?;
        let fill = FillSavings {
            account: account(),
            events,
        };
        keeps.execute(fill).await?;
        let save = || Save {
            account: account(),
            amount: 1,
        };
        // Stores the snapshot.
        keeps.execute(save()).await?;
        Ok(Deep {
            cached: median(rounds, async || {
                Ok(keeps.execute(deposit("deep")).await.map(drop)?)
            })
            .await?,
            snapshot: median(rounds, async || {
                Ok(forgets.execute(save()).await.map(drop)?)
            })
            .await?,
            cold: median(rounds, async || {
                Ok(forgets.execute(deposit("deep")).await.map(drop)?)
            })
            .await?,
        })
    })
}

/// The median duration in milliseconds. The first run does not count, for any contender.
async fn median(rounds: u32, work: impl AsyncFn() -> Result<()>) -> Result<f64> {
    work().await?;
    let mut millis = crate::runs::Runs::default();
    for _ in 0..rounds {
        let start = Instant::now();
        work().await?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(millis.median())
}

pub async fn builder(url: &str) -> Result<Builder> {
    let store = Postgres::connect(url).await?;
    Ok(Dispatcher::builder().store(store).module(domain::module()))
}
