use std::path::Path;
use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::{Dispatcher, HeldPermissions, Memory};
use cqrs_postgres::{ConnectError, Postgres};
use cqrs_sqlite::Sqlite;
use cqrs_umadb::UmaDb;
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
        Database::File(file) => {
            let store = in_file(file, existing).await?;
            build(catalog().store(store)).await
        }
        Database::Postgres { url, schema } => {
            let store = in_schema(url, schema, existing).await?;
            // It can do more: its handlers have SQL.
            build(
                catalog()
                    .module(example_catalog::sales::module())
                    .store(store),
            )
            .await
        }
        Database::UmaDb { url, views } => {
            let log = on_umadb(url).await?;
            build(catalog().log(log).views(Sqlite::open(views).await?)).await
        }
    }
}

/// A catalog that is not kept.
pub async fn in_memory() -> Result<Dispatcher, Stop> {
    build(catalog().store(Memory::new())).await
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

/// The server's key is where the server has it.
async fn on_umadb(url: &str) -> Result<UmaDb, cqrs_umadb::ConnectError> {
    let options = match std::env::var("UMADB_API_KEY") {
        Ok(key) => UmaDb::options().api_key(&key),
        Err(_) => UmaDb::options(),
    };
    options.connect(url).await
}

/// The catalog, without a store.
fn catalog() -> Builder {
    Dispatcher::builder()
        .module(example_catalog::module())
        .authorizer(HeldPermissions)
        .provide::<dyn Notifier>(Arc::new(StandardError))
}

async fn build(builder: Builder) -> Result<Dispatcher, Stop> {
    Ok(builder.build().await?)
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
