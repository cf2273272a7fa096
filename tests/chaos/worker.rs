//! A process that reads meters, plans visits, sends vans, and works for projections and reactions, until it is killed. Its arguments
//! are a file, or the URL of a server and a schema, and perhaps `unfenced`.

mod domain;
mod unfenced;

use std::env::args;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_core::prelude::{Error, Result};
use cqrs_core::store::Store;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use domain::ReadMeter;
use domain::parcels::{LoadVan, ReturnVan};
use domain::visits::{Kind, PlanVisit};
use tokio::time::sleep;
use unfenced::Unfenced;

/// Number of meters.
const METERS: u32 = 40;

/// Time between two readings.
const PAUSE: Duration = Duration::from_millis(10);

/// The lease, which a stopped process outlives.
const LEASE: Duration = Duration::from_millis(300);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = args().skip(1).collect();
    let is_unfenced = arguments.last().is_some_and(|last| last == "unfenced");
    let [database, schema, ..] = &arguments[..] else {
        return Err(Error::message("a database and a schema are missing"));
    };
    if database.starts_with("postgres") {
        let store = Postgres::options().schema(schema).connect(database).await?;
        work(store, is_unfenced).await
    } else {
        work(Sqlite::open(database).await?, is_unfenced).await
    }
}

async fn work(store: impl Store, is_unfenced: bool) -> Result<()> {
    let store = Arc::new(store);
    let builder = Dispatcher::builder().module(domain::module()).lease(LEASE);
    let builder = if is_unfenced {
        let views = Unfenced(store.clone());
        builder.log(store).views(views)
    } else {
        builder.store(store)
    };
    let app = builder.build().await?;
    // Each process begins with another one.
    let mut meter = std::process::id() % METERS;
    let mut visit = u64::from(std::process::id()) << 32;
    loop {
        meter = (meter + 7) % METERS;
        // What fails was not recorded, or is counted by the events.
        if app.execute(ReadMeter { meter }).await.is_ok() {
            writeln!(stdout(), "{meter}")?;
        }
        if !is_unfenced {
            visit += 1;
            let kind = Kind::of(visit);
            let _ = app.execute(PlanVisit { visit, kind }).await;
            // Each has several parcels.
            if visit.is_multiple_of(4) {
                let van = visit;
                let _ = app.execute(LoadVan { van }).await;
                let _ = app.execute(ReturnVan { van }).await;
            }
        }
        // So that the reactions keep pace.
        sleep(PAUSE).await;
    }
}
