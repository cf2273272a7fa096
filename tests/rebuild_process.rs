//! A process that builds the second version of the tallies, or its views again, until it is live or the process is
//! killed. If the version is paused, says so, and waits until it is not.
//! Arguments: the path of an SQLite database, or the URL of a PostgreSQL server and a schema. With the environment
//! variable of `stops`, it stops on the way.

#[path = "suite/versions/programs.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod programs;

use std::time::Duration;

use cqrs_core::error::OperationError;
use cqrs_core::prelude::*;
use cqrs_core::store::Store;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use programs::{NAME, points, second, stops};

/// The lease of a process that stops on the way: others are to take over soon.
const SHORT_LEASE: Duration = Duration::from_secs(2);

/// Time that a shutdown takes at most.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// Time between two looks at a version that is paused.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let place = words.next().ok_or(Error::message("a word is missing"))?;
    match words.next() {
        Some(schema) => {
            let store = Postgres::options().schema(&schema).connect(&place).await?;
            run(store).await
        }
        None => run(Sqlite::open(&place).await?).await,
    }
}

async fn run(store: impl Store) -> Result<()> {
    let mut builder = Dispatcher::builder()
        .module(points::module())
        .module(second::module());
    if stops::is_one() {
        builder = builder.lease(SHORT_LEASE);
    }
    let app = builder.store(store).build().await?;
    let mut was_paused = false;
    loop {
        match build(&app).await {
            Ok(()) => break,
            Err(OperationError::Paused { .. }) => {
                if !was_paused {
                    println!("paused");
                }
                was_paused = true;
                // It is resumed in another process, which does not tell.
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("live");
    app.shutdown(SHUTDOWN).await?;
    Ok(())
}

/// Waits until the version is live, and tells how far it is.
async fn build(app: &Dispatcher) -> std::result::Result<(), OperationError> {
    let mut rebuild = app.subscriptions().rebuild(NAME).await?;
    while let Some(progress) = rebuild.next().await {
        println!("{}", progress?);
    }
    Ok(())
}
