//! A process that builds the second version of the tallies, until it is live or the process is killed.
//! Arguments: the path of an SQLite database, or the URL of a PostgreSQL server and a schema.

#[path = "suite/versions/programs.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod programs;

use cqrs_core::error::OperationError;
use cqrs_core::prelude::*;
use cqrs_core::store::Store;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use programs::{NAME, points, second};

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
    let builder = Dispatcher::builder()
        .module(points::module())
        .module(second::module());
    let app = builder.store(store).build().await?;
    match app.subscriptions().rebuild(NAME).await {
        Ok(mut rebuild) => {
            while let Some(progress) = rebuild.next().await {
                println!("{}", progress?);
            }
        }
        Err(OperationError::AlreadyLive { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    println!("live");
    Ok(())
}
