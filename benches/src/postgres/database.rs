use std::path::Path;
use std::time::Duration;

use test_postgres::Server;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The measured server.
pub struct Database {
    url: String,
    /// A server of its own, which ends with this.
    _server: Option<Server>,
}

/// A server with a standby.
pub struct Replicated {
    primary: Database,
    /// Follows it.
    _standby: Server,
}

/// The schema of the peers' tables. Ours are in another one.
const SCHEMA: &str = "bench";

/// Time between two looks at the state of a standby.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

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

impl Replicated {
    /// Private servers.
    pub fn new() -> Result<Self> {
        let server = Server::private("the part `cluster` of the benchmarks");
        let server = server.ok_or("there is no PostgreSQL server to measure")?;
        let standby = server.standby();
        let primary = Database {
            url: server.url().to_owned(),
            _server: Some(server),
        };
        Ok(Self {
            primary,
            _standby: standby,
        })
    }

    pub fn primary(&self) -> &Database {
        &self.primary
    }

    /// Has commits wait until the standby has them on its disk, or not. Returns when the server does so.
    pub fn wait_for_standby(&self, waits: bool) -> Result<()> {
        let (names, wanted) = if waits { ("*", "sync") } else { ("", "async") };
        let primary = &self.primary;
        primary.run(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{names}'"
        ))?;
        primary.run("SELECT pg_reload_conf()")?;
        block_on(async {
            let client = connect(&primary.url).await?;
            let state = "SELECT count(*) FROM pg_stat_replication \
                         WHERE state = 'streaming' AND sync_state = $1";
            loop {
                let row = client.query_one(state, &[&wanted]).await?;
                if row.get::<_, i64>(0) == 1 {
                    return Ok(());
                }
                // The server does not tell when it has read its configuration.
                sleep(POLL_INTERVAL).await;
            }
        })
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
