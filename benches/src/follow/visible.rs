//! The time from the return of a command until a query has its event.

use std::path::Path;
use std::time::Instant;

use super::history::Place;
use super::watcher::{self, Watcher, Work};
use crate::Result;
use crate::callers::deposit;
use crate::domain::AccountId;
use crate::load::{Latencies, Outcome};
use crate::postgres::database::block_on;
use crate::postgres::ours;
use crate::read_model::{self, GetAccount};

const ACCOUNT: &str = "visible";

/// One caller in the process of the projection, which asks with `.after(&receipt)`.
pub fn here(commands: u32, place: &Place<'_>) -> Result<Outcome> {
    block_on(async {
        let builder = place.builder().await?.module(read_model::module());
        let app = builder.build().await?;
        let start = Instant::now();
        let mut latencies = Latencies::default();
        for number in 0..commands {
            let receipt = app.execute(deposit(ACCOUNT)).await?;
            let returned = Instant::now();
            let account = AccountId(ACCOUNT.to_owned());
            let view = app.query(GetAccount { account }).after(&receipt).await?;
            latencies.since(returned);
            if view.is_none_or(|view| view.balance != u64::from(number) + 1) {
                return Err("the view has not every event".into());
            }
        }
        Ok(latencies.outcome(start.elapsed()))
    })
}

/// One caller here, and another process that watches the query. The projection is there or here.
pub fn elsewhere(commands: u32, there: Work, program: &Path, url: &str) -> Result<Outcome> {
    block_on(async {
        let builder = ours::builder(url).await?;
        let builder = match there {
            Work::Folds => builder,
            Work::Asks => builder.module(read_model::module()),
        };
        let app = builder.build().await?;
        let mut watcher = Watcher::start(program, &watcher::Task::new(url, ACCOUNT, there))?;
        let start = Instant::now();
        let mut latencies = Vec::new();
        for number in 0..commands {
            app.execute(deposit(ACCOUNT)).await?;
            let returned = watcher::now()?;
            let seen = watcher.sees(u64::from(number) + 1)?;
            latencies.push((seen - returned).max(0.0));
        }
        Ok(Latencies::from_iter(latencies).outcome(start.elapsed()))
    })
}
