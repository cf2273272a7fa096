use std::path::Path;
use std::sync::Arc;

use cqrs_core::app::{Builder, Role};
use cqrs_core::{Dispatcher, HeldPermissions, Memory};
use cqrs_postgres::{ConnectError, Postgres};
use cqrs_sqlite::Sqlite;
use cqrs_umadb::UmaDb;
use example_catalog::orders::{Payments, SimulatedPayments};
use example_catalog::{Notifier, ProductId};

use super::CliError;
use super::database::Database;
use super::out::eprint_line;

/// Whether to create a missing catalog.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    MustExist,
    CreateIfMissing,
}

/// The catalog in a database.
pub async fn in_database(database: &Database, mode: OpenMode) -> Result<Dispatcher, CliError> {
    let (builder, _) = on_database(database, mode).await?;
    build(builder).await
}

/// The catalog in a database, to look at: this process handles no events, which another one would have to
/// take over afterwards. With the store that knows the servers, if there are any.
pub async fn to_look_at(database: &Database) -> Result<(Dispatcher, Option<Postgres>), CliError> {
    let (builder, store) = on_database(database, OpenMode::MustExist).await?;
    Ok((build(builder.roles([Role::Queries])).await?, store))
}

/// A catalog in memory.
pub async fn in_memory() -> Result<Dispatcher, CliError> {
    build(catalog().store(Memory::new())).await
}

/// The catalog, and the store that knows the servers, if there are any.
async fn on_database(
    database: &Database,
    mode: OpenMode,
) -> Result<(Builder, Option<Postgres>), CliError> {
    Ok(match database {
        Database::File(file) => (catalog().store(in_file(file, mode).await?), None),
        Database::Postgres { url, schema } => {
            let store = in_schema(url, schema, mode).await?;
            // The sales report needs SQL in handlers.
            let sales = example_catalog::sales::module();
            (catalog().module(sales).store(store.clone()), Some(store))
        }
        Database::UmaDb { url, views } => {
            let log = on_umadb(url).await?;
            (catalog().log(log).views(Sqlite::open(views).await?), None)
        }
    })
}

async fn in_file(file: &Path, mode: OpenMode) -> Result<Sqlite, CliError> {
    if mode == OpenMode::MustExist && !file.exists() {
        let file = file.display();
        return Err(CliError::Failed(format!(
            "there is no catalog `{file}`: `send` and `import` create one, `--db` names another"
        )));
    }
    Ok(Sqlite::open(file).await?)
}

async fn in_schema(url: &str, schema: &str, mode: OpenMode) -> Result<Postgres, CliError> {
    let options = Postgres::options()
        .schema(schema)
        .search_path(schema)
        .application_name("example-catalog")
        .migrate(mode == OpenMode::CreateIfMissing);
    match options.connect(url).await {
        Err(ConnectError::Older { known, .. }) if mode == OpenMode::MustExist => {
            Err(CliError::Failed(format!(
                "there is no catalog of version {known} in the schema `{schema}`: `send` and \
                 `import` create one, `--db` and `--schema` name another"
            )))
        }
        connected => Ok(connected?),
    }
}

/// The API key is in the environment variable that the server reads, too.
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
        .module(example_catalog::orders::module())
        .module(example_catalog::checkout::module())
        .authorizer(HeldPermissions)
        .provide::<dyn Notifier>(Arc::new(StandardError))
        .provide::<dyn Payments>(Arc::new(SimulatedPayments))
}

async fn build(builder: Builder) -> Result<Dispatcher, CliError> {
    Ok(builder.build().await?)
}

/// Prints notices to the standard error.
struct StandardError;

impl Notifier for StandardError {
    fn low_stock(&self, product: &ProductId, units_left: u32) {
        eprint_line(
            format_args!("notice:"),
            &format!("product {product} runs low, {units_left} left"),
        );
    }
}
