//! A process that schedules commands, prints their ids, and lives until it is killed. Arguments: the path of an
//! SQLite database, or the URL of a PostgreSQL server and a schema.

use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_core::store::Store;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

#[path = "schedule_domain.rs"]
mod domain;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let place = words.next().ok_or(Error::message("the place is missing"))?;
    match words.next() {
        Some(schema) => run(Postgres::options().schema(&schema).connect(&place).await?).await,
        None => run(Sqlite::open(&place).await?).await,
    }
}

async fn run(store: impl Store) -> Result<()> {
    let builder = Dispatcher::builder().module(domain::module()).store(store);
    let app = builder.schedules().build().await?;
    let mut ids = Vec::new();
    // One that is due at once, one that is due soon, and one that nobody waits for.
    for (bell, wait) in [(1, 0), (2, 500), (3, 3_600_000)] {
        let call = app.schedule(domain::Ring { bell });
        let id = call.after(Duration::from_millis(wait)).await?;
        ids.push(id.to_string());
    }
    println!("{}", ids.join(" "));
    std::future::pending().await
}
