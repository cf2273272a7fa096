//! The floors: what a careful person writes by hand, one statement or two per command; and what
//! the database takes in when nothing else is asked of it.

use std::time::Instant;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

use super::database::{block_on, connect};
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
const UNNEST: &str = "INSERT INTO raw (aggregate, seq, type, payload) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[])";

const PAYLOAD: &[u8] = br#"{"account":"account-0000","amount":1}"#;

/// How many rows a commit has with [`unnest`].
const BATCH: usize = 500;

/// Inserts and does not look.
pub fn insert(load: Load, url: &str) -> Result<Outcome> {
    run(load, url, false)
}

/// Looks at what is there, and inserts after it.
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
        let load = match loads {
            true => Some(client.prepare(LOAD).await?),
            false => None,
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
            let seq = match &self.load {
                // A number that the aggregate does not have yet.
                None => i64::try_from(number)?,
                Some(load) => {
                    let rows = self.client.query(load, &[id]).await?;
                    rows.last().map_or(0, |row| row.get(0)) + 1
                }
            };
            let params = [id as _, &seq as _, &"deposited" as _, &PAYLOAD as _];
            self.client.execute(&self.insert, &params).await?;
            latencies.since(start);
        }
        Ok(latencies)
    }
}

/// Rows per second.
pub fn copy(rows: usize, url: &str) -> Result<f64> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLE).await?;
        let start = Instant::now();
        let sink = client.copy_in("COPY raw (aggregate, seq, type, payload) FROM STDIN BINARY");
        let types = [Type::TEXT, Type::INT8, Type::TEXT, Type::BYTEA];
        let writer = tokio_postgres::binary_copy::BinaryCopyInWriter::new(sink.await?, &types);
        let mut writer = std::pin::pin!(writer);
        for number in 0..rows {
            let (id, seq) = (
                format!("account-{:04}", number % 1000),
                i64::try_from(number)?,
            );
            let row = [
                &id as &(dyn tokio_postgres::types::ToSql + Sync),
                &seq,
                &"deposited",
                &PAYLOAD,
            ];
            writer.as_mut().write(&row).await?;
        }
        writer.as_mut().finish().await?;
        Ok(rows as f64 / start.elapsed().as_secs_f64())
    })
}

/// Rows per second.
pub fn unnest(rows: usize, url: &str) -> Result<f64> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLE).await?;
        let statement = client.prepare(UNNEST).await?;
        let start = Instant::now();
        for batch in 0..rows / BATCH {
            let ids: Vec<_> = (0..BATCH).map(|row| format!("account-{row:04}")).collect();
            let seqs = vec![i64::try_from(batch)?; BATCH];
            let (types, payloads) = (vec!["deposited"; BATCH], vec![PAYLOAD; BATCH]);
            client
                .execute(&statement, &[&ids, &seqs, &types, &payloads])
                .await?;
        }
        Ok(rows as f64 / start.elapsed().as_secs_f64())
    })
}
