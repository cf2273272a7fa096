//! This framework with its SQLite store.

use cqrs_core::{CommandId, Dispatcher};
use cqrs_sqlite::Sqlite;

use crate::callers::{deposits_of, execute, measure};
use crate::domain::{self, Deposit};
use crate::load::{Load, Outcome};
use crate::{Result, cargo};

pub fn run(load: Load) -> Result<Outcome> {
    on_a_file(async |dispatcher| execute(&dispatcher, deposits_of(load)).await)
}

/// The same with an id of the caller for each command, as over HTTP with an `Idempotency-Key`.
pub fn run_with_ids(load: Load) -> Result<Outcome> {
    on_a_file(async |dispatcher| {
        let callers = deposits_of(load).into_iter();
        let commands = callers.map(|deposits| {
            let numbered = deposits.into_iter().map(|it| (CommandId::new(), it));
            numbered.collect()
        });
        measure(commands.collect(), move |(id, deposit): (_, Deposit)| {
            let dispatcher = dispatcher.clone();
            async move {
                dispatcher.execute(deposit).id(id).await?;
                Ok(())
            }
        })
        .await
    })
}

fn on_a_file(run: impl AsyncFnOnce(Dispatcher) -> Result<Outcome>) -> Result<Outcome> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let folder = cargo::scratch()?;
            let store = Sqlite::open(folder.path().join("ours.db")).await?;
            let builder = Dispatcher::builder().store(store);
            run(builder.module(domain::module()).build().await?).await
        })
}
