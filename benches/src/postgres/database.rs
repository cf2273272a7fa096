use test_postgres::Server;
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The server that is measured, private unless `CQRS_TEST_POSTGRES_URL` names one.
pub struct Database {
    url: &'static str,
}

impl Database {
    pub fn new() -> Result<Self> {
        let server = Server::shared("the part `postgres` of the benchmarks");
        let server = server.ok_or("there is no PostgreSQL server to measure")?;
        Ok(Self { url: server.url() })
    }

    /// The URL, with the tables of every contender gone.
    pub fn fresh(&self) -> Result<String> {
        self.run("DROP SCHEMA IF EXISTS cqrs CASCADE; DROP TABLE IF EXISTS raw; DROP TABLE IF EXISTS events; CHECKPOINT")?;
        Ok(self.url.to_owned())
    }

    pub fn version(&self) -> Result<String> {
        block_on(async {
            let client = connect(self.url).await?;
            let row = client.query_one("SELECT version()", &[]).await?;
            let version: String = row.get(0);
            Ok(version.split(" on ").next().unwrap_or_default().to_owned())
        })
    }

    fn run(&self, sql: &str) -> Result<()> {
        block_on(async { Ok(connect(self.url).await?.batch_execute(sql).await?) })
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
        // How it ended, the client is told.
        let _ = connection.await;
    });
    Ok(client)
}
