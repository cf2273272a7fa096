//! The baselines: careful SQL by hand, with one or two statements per command; and the rate at
//! which the database takes rows with no other work.

mod bulk;
mod single;

use std::time::Instant;

use tokio_postgres::{Client, Statement};

use super::database::{block_on, connect};
pub use bulk::{copy, unnest};
pub use single::{counter, deep};

use crate::Result;
use crate::load::{Latencies, Load, Outcome};

const TABLE: &str = "CREATE TABLE raw (
    position  bigserial PRIMARY KEY,
    aggregate text      NOT NULL,
    seq       bigint    NOT NULL,
    type      text      NOT NULL,
    payload   bytea     NOT NULL,
    UNIQUE (aggregate, seq)
)";

const INSERT: &str = "INSERT INTO raw (aggregate, seq, type, payload) VALUES ($1, $2, $3, $4)";
const LOAD: &str = "SELECT seq, payload FROM raw WHERE aggregate = $1 ORDER BY seq";

const PAYLOAD: &[u8] = br#"{"account":"account-0000","amount":1}"#;

/// Inserts without a read.
pub fn insert(load: Load, url: &str) -> Result<Outcome> {
    run(load, url, false)
}

/// Reads the aggregate's rows, and inserts after them.
pub fn load_and_insert(load: Load, url: &str) -> Result<Outcome> {
    run(load, url, true)
}

fn run(load: Load, url: &str, loads: bool) -> Result<Outcome> {
    block_on(async {
        connect(url).await?.batch_execute(TABLE).await?;
        let mut callers = Vec::new();
        for caller in 0..load.callers {
            callers.push(Caller::new(url, loads, load.ids_of(caller).collect()).await?);
        }
        let start = Instant::now();
        let tasks = callers
            .into_iter()
            .map(|caller| tokio::spawn(caller.call()));
        let tasks: Vec<_> = tasks.collect();
        let mut latencies = Latencies::default();
        for task in tasks {
            latencies.extend(task.await??);
        }
        Ok(latencies.outcome(start.elapsed()))
    })
}

struct Caller {
    client: Client,
    load: Option<Statement>,
    insert: Statement,
    ids: Vec<String>,
}

impl Caller {
    async fn new(url: &str, loads: bool, ids: Vec<String>) -> Result<Self> {
        let client = connect(url).await?;
        let load = if loads {
            Some(client.prepare(LOAD).await?)
        } else {
            None
        };
        let insert = client.prepare(INSERT).await?;
        Ok(Self {
            client,
            load,
            insert,
            ids,
        })
    }

    async fn call(self) -> Result<Latencies> {
        let mut latencies = Latencies::default();
        for (number, id) in self.ids.iter().enumerate() {
            let start = Instant::now();
            self.load_and_insert(id, i64::try_from(number)?).await?;
            latencies.since(start);
        }
        Ok(latencies)
    }

    /// A number that the aggregate does not have yet, for callers that do not read.
    async fn load_and_insert(&self, id: &str, number: i64) -> Result<()> {
        let seq: i64 = match &self.load {
            None => number,
            Some(load) => {
                let rows = self.client.query(load, &[&id]).await?;
                rows.last().map_or(0, |row| row.get(0)) + 1
            }
        };
        let params = [&id as _, &seq as _, &"deposited" as _, &PAYLOAD as _];
        self.client.execute(&self.insert, &params).await?;
        Ok(())
    }
}
