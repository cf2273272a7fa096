use std::path::Path;

use test_postgres::Server;
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The measured server.
pub struct Database {
    url: String,
    /// A server of its own, which ends with this.
    _server: Option<Server>,
}

/// The schema of the peers' tables. Ours are in another one.
const SCHEMA: &str = "bench";

impl Database {
    /// The server that `CQRS_TEST_POSTGRES_URL` names, or a private one.
    pub fn new() -> Result<Self> {
        let server = Server::shared("the part `postgres` of the benchmarks");
        let server = server.ok_or("there is no PostgreSQL server to measure")?;
        Ok(Self {
            url: server.url().to_owned(),
            _server: None,
        })
    }

    /// A private server of the programs in this directory.
    pub fn of(binaries: &Path) -> Result<Self> {
        let server = Server::of(binaries)?;
        Ok(Self {
            url: server.url().to_owned(),
            _server: Some(server),
        })
    }

    /// Drops the tables of all contenders, and returns the URL.
    pub fn fresh(&self) -> Result<String> {
        let drop = ["cqrs", SCHEMA].map(|it| format!("DROP SCHEMA IF EXISTS {it} CASCADE"));
        self.run(&format!("{}; CREATE SCHEMA {SCHEMA}", drop.join("; ")))?;
        self.run("CHECKPOINT")?;
        let joint = if self.url.contains('?') { '&' } else { '?' };
        let url = &self.url;
        Ok(format!("{url}{joint}options=-csearch_path%3D{SCHEMA}"))
    }

    /// Runs a checkpoint, and gathers statistics.
    pub fn settle(&self) -> Result<()> {
        self.run("VACUUM ANALYZE")?;
        self.run("CHECKPOINT")
    }

    pub fn version(&self) -> Result<String> {
        block_on(async {
            let client = connect(&self.url).await?;
            let row = client.query_one("SELECT version()", &[]).await?;
            let version: String = row.get(0);
            Ok(version.split(" on ").next().unwrap_or_default().to_owned())
        })
    }

    /// The version's numbers, such as 18.4.
    pub fn numbers(&self) -> Result<String> {
        let version = self.version()?;
        Ok(version.split(' ').nth(1).unwrap_or(&version).to_owned())
    }

    fn run(&self, sql: &str) -> Result<()> {
        block_on(async { Ok(connect(&self.url).await?.batch_execute(sql).await?) })
    }
}

pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        // The client reports how the connection ended.
        let _ = connection.await;
    });
    Ok(client)
}
