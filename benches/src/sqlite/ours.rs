//! This framework with its SQLite store.

use cqrs_core::Dispatcher;
use cqrs_sqlite::Sqlite;

use crate::callers::{deposits_of, execute};
use crate::domain;
use crate::load::{Load, Outcome};
use crate::{Result, cargo};

pub fn run(load: Load) -> Result<Outcome> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let folder = cargo::scratch()?;
            let store = Sqlite::open(folder.path().join("ours.db")).await?;
            let builder = Dispatcher::builder().store(store);
            let dispatcher = builder.module(domain::module()).build().await?;
            execute(&dispatcher, deposits_of(load)).await
        })
}
