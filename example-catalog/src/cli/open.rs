use std::path::Path;
use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::store::Store;
use cqrs_core::{Dispatcher, HeldPermissions, Memory, Module};
use cqrs_postgres::{ConnectError, Postgres};
use cqrs_sqlite::Sqlite;
use example_catalog::{Notifier, ProductId};

use super::Stop;
use super::database::Database;
use super::out::complain;

/// Whether a catalog that is not there is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Only,
    OrNew,
}

/// The catalog in a database.
pub async fn in_database(database: &Database, existing: Existing) -> Result<Dispatcher, Stop> {
    match database {
        Database::File(file) => wire(in_file(file, existing).await?, []).await,
        Database::Postgres { url, schema } => {
            let store = in_schema(url, schema, existing).await?;
            wire(store, [example_catalog::sales::module()]).await
        }
    }
}

/// A catalog that is not kept.
pub async fn in_memory() -> Result<Dispatcher, Stop> {
    wire(Memory::new(), []).await
}

async fn in_file(file: &Path, existing: Existing) -> Result<Sqlite, Stop> {
    if existing == Existing::Only && !file.exists() {
        let file = file.display();
        return Err(Stop::Failed(format!(
            "there is no catalog `{file}`: `send` and `import` make one, `--db` names another"
        )));
    }
    Ok(Sqlite::open(file).await?)
}

async fn in_schema(url: &str, schema: &str, existing: Existing) -> Result<Postgres, Stop> {
    let options = Postgres::options()
        .schema(schema)
        .search_path(schema)
        .application_name("example-catalog")
        .migrate(existing == Existing::OrNew);
    match options.connect(url).await {
        Err(ConnectError::Older { known, .. }) if existing == Existing::Only => {
            Err(Stop::Failed(format!(
                "there is no catalog of version {known} in the schema `{schema}`: `send` and \
                 `import` make one, `--db` and `--schema` name another"
            )))
        }
        connected => Ok(connected?),
    }
}

/// The catalog, and more of it on a store that can do more.
async fn wire(
    store: impl Store,
    more: impl IntoIterator<Item = Module>,
) -> Result<Dispatcher, Stop> {
    let catalog = Dispatcher::builder().module(example_catalog::module());
    let dispatcher = more
        .into_iter()
        .fold(catalog, Builder::module)
        .store(store)
        .authorizer(HeldPermissions)
        .provide::<dyn Notifier>(Arc::new(StandardError))
        .build()
        .await?;
    Ok(dispatcher)
}

/// Tells whoever sits at the terminal.
struct StandardError;

impl Notifier for StandardError {
    fn low_stock(&self, product: &ProductId, units_left: u32) {
        complain(
            format_args!("notice:"),
            &format!("product {product} runs low, {units_left} left"),
        );
    }
}
