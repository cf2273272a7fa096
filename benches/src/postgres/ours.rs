//! This framework with its PostgreSQL store.

use cqrs_core::Dispatcher;
use cqrs_postgres::Postgres;

use super::database::block_on;
use crate::Result;
use crate::callers::measure;
use crate::load::{Load, Outcome};

pub fn run(load: Load, url: &str) -> Result<Outcome> {
    block_on(async {
        let store = Postgres::connect(url).await?;
        let dispatcher = Dispatcher::builder().store(store).build().await?;
        measure(&dispatcher, load).await
    })
}
