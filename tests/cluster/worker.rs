//! An application on a cluster: callers that send commands, and ask for what they have changed. Its arguments are
//! the address, and how many seconds the store has patience. It prints a line for each call, and ends when its
//! standard input does:
//!
//! - `done CALLER COMMAND MILLISECONDS`, `asked CALLER MILLISECONDS`
//! - `failed CALLER MILLISECONDS ERROR`

mod domain;

use std::env::args;
use std::io::{Read as _, Write as _, stdin, stdout};
use std::time::{Duration, Instant};

use cqrs_core::prelude::*;
use cqrs_core::{CommandId, Dispatcher, Receipt};
use cqrs_postgres::Postgres;
use domain::{CountOf, Step};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

/// Number of callers that send commands, and of others that only ask.
const CALLERS: u32 = 12;
const ASKING: u32 = 4;

/// Number of counters, which the callers of all processes share.
const COUNTERS: u32 = 40;

/// Time between two commands of a caller, so that the reaction keeps pace.
const PAUSE: Duration = Duration::from_millis(100);

/// Time for what is under way at the end.
const GRACE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut arguments = args().skip(1);
    let (Some(url), Some(seconds)) = (arguments.next(), arguments.next()) else {
        return Err(Error::message("an address and a number are missing"));
    };
    let patience = Duration::from_secs(seconds.parse()?);
    let store = Postgres::options().retry_timeout(patience).connect(&url);
    let app = Dispatcher::builder()
        .module(domain::module())
        .store(store.await?)
        .max_wait(patience)
        .build()
        .await?;
    let (end, ended) = watch::channel(false);
    // The last command that was acknowledged, and its counter.
    let (last, after) = watch::channel(None);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(call(app.clone(), caller, last.clone(), ended.clone()));
    }
    for caller in CALLERS..CALLERS + ASKING {
        callers.spawn(ask(app.clone(), caller, after.clone(), ended.clone()));
    }
    spawn_blocking(|| stdin().read_to_end(&mut Vec::new())).await??;
    end.send_replace(true);
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    app.shutdown(GRACE).await?;
    Ok(())
}

/// Sends commands one after the other.
async fn call(
    app: Dispatcher,
    caller: u32,
    last: watch::Sender<Option<(u32, Receipt)>>,
    ended: watch::Receiver<bool>,
) -> Result<()> {
    let mut counter = caller + std::process::id();
    while !*ended.borrow() {
        counter = (counter + 7) % COUNTERS;
        let id = CommandId::new();
        let began = Instant::now();
        let executed = app.execute(Step { counter }).id(id).await;
        let milliseconds = began.elapsed().as_millis();
        match executed {
            Ok(receipt) => {
                writeln!(stdout(), "done {caller} {} {milliseconds}", id.as_uuid())?;
                last.send_replace(Some((counter, receipt)));
            }
            Err(error) => writeln!(stdout(), "failed {caller} {milliseconds} {error:?}")?,
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Asks for the last change, one time after the other.
async fn ask(
    app: Dispatcher,
    caller: u32,
    after: watch::Receiver<Option<(u32, Receipt)>>,
    ended: watch::Receiver<bool>,
) -> Result<()> {
    while !*ended.borrow() {
        let last = *after.borrow();
        if let Some((counter, receipt)) = last {
            let began = Instant::now();
            let asked = app.query(CountOf { counter }).after(&receipt).await;
            let milliseconds = began.elapsed().as_millis();
            match asked {
                Ok(_) => writeln!(stdout(), "asked {caller} {milliseconds}")?,
                Err(error) => writeln!(stdout(), "failed {caller} {milliseconds} {error:?}")?,
            }
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
