//! Articles with rows in tables of the program, on each store with SQL. A test adds the handlers of the
//! commands, and takes from `scenes` the promises that hold however a handler writes.

pub mod messages;
pub mod queries;
pub mod scenes;

use std::any::Any;
use std::sync::Arc;

use cqrs_conformance::StoreFixture;
use cqrs_core::app::Builder;
use cqrs_core::store::{EventLogExt, Store};
use cqrs_core::{Dispatcher, Module};
use cqrs_postgres::Postgres;
use cqrs_sqlite::{Sqlite, rusqlite};
use tokio_postgres::Client;

use self::messages::{Pieces, Receive};
use super::postgres::Schema;

const TABLES: [&str; 4] = [
    "stock (article bigint PRIMARY KEY, pieces bigint NOT NULL CHECK (pieces > -1000))",
    "labels (article bigint, number bigint, PRIMARY KEY (article, number))",
    "journal (place bigint PRIMARY KEY, line text NOT NULL)",
    "parts (article bigint NOT NULL)",
];

/// A store, with the modules of the handlers that use its SQL.
pub struct Setting {
    pub name: &'static str,
    pub store: Arc<dyn Store>,
    pub modules: Vec<Module>,
    /// Removes the database.
    _place: Box<dyn Any>,
}

impl Setting {
    pub fn builder(&self) -> Builder {
        with_modules(&self.modules)
            .store(self.store.clone())
            .attempts(1000)
    }

    pub async fn app(&self) -> Dispatcher {
        self.builder().build().await.expect("builds")
    }
}

/// A setting per store, each with its modules.
pub async fn settings(test: &str, sqlite: &[Module], postgres: &[Module]) -> Vec<Setting> {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let store = Sqlite::open(&path).await.expect("SQLite opens");
    let tables = rusqlite::Connection::open(&path).expect("SQLite opens");
    for table in TABLES {
        let create = format!("CREATE TABLE {table}");
        tables.execute_batch(&create).expect("is created");
    }
    let mut settings = vec![Setting {
        name: "SQLite",
        store: Arc::new(store),
        modules: [&[queries::on_sqlite::module()], sqlite].concat(),
        _place: Box::new(directory),
    }];
    if let Some(schema) = schema(test).await {
        settings.push(Setting {
            name: "PostgreSQL",
            store: Arc::new(schema.open().await),
            modules: [&[queries::on_postgres::module()], postgres].concat(),
            _place: Box::new(schema),
        });
    }
    settings
}

/// A schema with the tables, if there is a server.
pub async fn schema(test: &str) -> Option<Schema> {
    let schema = Schema::fresh(test, Postgres::options())?.searched();
    // Creates the schema.
    drop(schema.open().await);
    create_tables(&schema.client().await, schema.name()).await;
    Some(schema)
}

pub async fn create_tables(client: &Client, schema: &str) {
    for table in TABLES {
        let create = format!("CREATE TABLE {schema}.{table}");
        client.batch_execute(&create).await.expect("is created");
    }
    let deferred = format!(
        "ALTER TABLE {schema}.parts ADD FOREIGN KEY (article) REFERENCES {schema}.stock \
         DEFERRABLE INITIALLY DEFERRED"
    );
    client.batch_execute(&deferred).await.expect("is added");
}

/// A dispatcher of the messages and these modules.
pub fn with_modules(modules: &[Module]) -> Builder {
    let builder = Dispatcher::builder().module(messages::module());
    modules
        .iter()
        .fold(builder, |builder, module| builder.module(*module))
}

pub fn receive(article: u32, pieces: i64) -> Receive {
    Receive { article, pieces }
}

/// The pieces in the article's row.
pub async fn pieces(app: &Dispatcher, article: u32) -> i64 {
    app.query(Pieces { article }).await.expect("an answer")
}

pub async fn head(app: &Dispatcher) -> u64 {
    app.log().head().await.expect("a head").get()
}
