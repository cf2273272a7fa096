//! Schemas for tests, on the PostgreSQL server that the tests of this process share.

use std::any::Any;
use std::thread;

use cqrs_conformance::StoreFixture;
use cqrs_postgres::{Options, Postgres};
use test_postgres::Server;
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// A schema of the test's own, dropped with this.
pub struct Schema {
    url: &'static str,
    name: String,
    options: Options,
}

impl Schema {
    /// `None`, and a word about it, when there is no server.
    pub fn fresh(test: &str, options: Options) -> Option<Self> {
        let url = Server::shared(test)?.url();
        let name = format!("test_{}", Uuid::now_v7().simple());
        let options = options.schema(&name);
        Some(Self { url, name, options })
    }

    /// With handlers' own tables in it.
    pub fn searched(mut self) -> Self {
        self.options = self.options().search_path(&self.name);
        self
    }

    pub fn url(&self) -> &'static str {
        self.url
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// How to connect a store to it.
    pub fn options(&self) -> Options {
        self.options.clone()
    }

    /// A connection of no store.
    pub async fn client(&self) -> Client {
        connect(self.url).await
    }
}

impl StoreFixture for Schema {
    type Store = Postgres;

    async fn open(&self) -> Postgres {
        let store = self.options.clone().connect(self.url).await;
        store.expect("PostgreSQL can be connected to")
    }

    /// One with a transaction id, so that everything committed later has a higher one.
    async fn foreign_transaction(&self) -> Option<Box<dyn Any + Send>> {
        let client = self.client().await;
        let begin = "BEGIN; SELECT pg_current_xact_id()";
        client.batch_execute(begin).await.expect("it begins");
        Some(Box::new(client))
    }
}

impl Drop for Schema {
    /// On a thread, since a test's runtime cannot be waited for from within.
    fn drop(&mut self) {
        let (url, name) = (self.url, self.name.clone());
        let drop = move || {
            let runtime = Runtime::new().expect("a runtime");
            // A test that failed may have left anything behind; it has been reported.
            let _ = runtime.block_on(remove(url, &name));
        };
        let _ = thread::spawn(drop).join();
    }
}

/// Drops the schema. What the test's stores were doing is ended first: while the test's thread
/// waits for this, nobody there can end a transaction that holds a lock.
async fn remove(url: &str, name: &str) -> Result<(), tokio_postgres::Error> {
    let client = connect(url).await;
    let holders = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_class \
                   ON pg_class.oid = relation JOIN pg_namespace ON pg_namespace.oid = relnamespace \
                   WHERE nspname = $1 AND pid <> pg_backend_pid()";
    client.batch_execute("SET lock_timeout = '100ms'").await?;
    loop {
        client.query(holders, &[&name]).await?;
        let drop = format!("DROP SCHEMA IF EXISTS {name} CASCADE");
        match client.batch_execute(&drop).await {
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
            result => return result,
        }
    }
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}
