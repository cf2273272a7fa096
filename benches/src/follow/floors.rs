//! The same balances by careful SQL, one event per transaction, and as many rows at once.

use std::pin::pin;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use serde::{Deserialize, Serialize};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use crate::load::Load;
use crate::postgres::database::{block_on, connect};
use crate::{Result, cargo, sqlite};

/// The columns of a read model's table, and a checkpoint.
const TABLES: [&str; 2] = [
    "CREATE TABLE balances (key text COLLATE \"C\" PRIMARY KEY, body bytea NOT NULL);
     CREATE TABLE checkpoint (position bigint NOT NULL);
     INSERT INTO checkpoint VALUES (0)",
    "CREATE TABLE balances (key TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE checkpoint (position INTEGER NOT NULL) STRICT;
     INSERT INTO checkpoint VALUES (0)",
];

const SELECT: &str = "SELECT body FROM balances WHERE key = $1";
const UPSERT: &str = "INSERT INTO balances (key, body) VALUES ($1, $2) \
     ON CONFLICT (key) DO UPDATE SET body = excluded.body";
const MOVE: &str = "UPDATE checkpoint SET position = $1";
const COPY: &str = "COPY balances (key, body) FROM STDIN BINARY";

#[derive(Default, Serialize, Deserialize)]
struct View {
    account: String,
    balance: u64,
}

impl View {
    /// The view after one more deposit.
    fn after(account: &str, before: Option<&[u8]>) -> Result<Vec<u8>> {
        let before = before.map(serde_json::from_slice::<Self>).transpose()?;
        Ok(serde_json::to_vec(&Self {
            account: account.to_owned(),
            balance: before.map_or(0, |view| view.balance) + 1,
        })?)
    }
}

/// Events per second on PostgreSQL, one transaction each: the view, its change and the checkpoint.
pub fn postgres(events: u32, accounts: u32, synced: bool, url: &str) -> Result<f64> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLES[0]).await?;
        if !synced {
            let setting = "SET synchronous_commit = off";
            client.batch_execute(setting).await?;
        }
        let select = client.prepare(SELECT).await?;
        let upsert = client.prepare(UPSERT).await?;
        let advance = client.prepare(MOVE).await?;
        let start = Instant::now();
        for number in 0..events {
            let account = Load::id(number % accounts);
            client.batch_execute("BEGIN").await?;
            let found = client.query_opt(&select, &[&account]).await?;
            let after = View::after(&account, found.as_ref().map(|row| row.get(0)))?;
            client.execute(&upsert, &[&account, &after]).await?;
            client.execute(&advance, &[&i64::from(number)]).await?;
            client.batch_execute("COMMIT").await?;
        }
        Ok(f64::from(events) / start.elapsed().as_secs_f64())
    })
}

/// Rows per second that COPY writes into the table, in one commit.
pub fn copy(rows: u32, url: &str) -> Result<f64> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLES[0]).await?;
        let start = Instant::now();
        let sink = client.copy_in(COPY).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::TEXT, Type::BYTEA]));
        for number in 0..rows {
            let account = Load::id(number);
            let body = View::after(&account, None)?;
            let row = [&account as &(dyn ToSql + Sync), &body];
            writer.as_mut().write(&row).await?;
        }
        writer.as_mut().finish().await?;
        Ok(f64::from(rows) / start.elapsed().as_secs_f64())
    })
}

/// Events per second on SQLite, as [`postgres`].
pub fn sqlite(events: u32, accounts: u32) -> Result<f64> {
    let folder = cargo::scratch()?;
    let mut connection = sqlite::open(&folder.path().join("raw.db"), TABLES[1])?;
    let start = Instant::now();
    for number in 0..events {
        let account = Load::id(number % accounts);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        fold(&transaction, &account, number)?;
        transaction.commit()?;
    }
    Ok(f64::from(events) / start.elapsed().as_secs_f64())
}

/// Rows per second that SQLite takes, in one commit.
pub fn sqlite_rows(rows: u32) -> Result<f64> {
    let folder = cargo::scratch()?;
    let mut connection = sqlite::open(&folder.path().join("raw.db"), TABLES[1])?;
    let start = Instant::now();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for number in 0..rows {
        let account = Load::id(number);
        let body = View::after(&account, None)?;
        let mut upsert = transaction.prepare_cached(UPSERT)?;
        upsert.execute((&account, body))?;
    }
    transaction.commit()?;
    Ok(f64::from(rows) / start.elapsed().as_secs_f64())
}

fn fold(connection: &Connection, account: &str, number: u32) -> Result<()> {
    let mut select = connection.prepare_cached(SELECT)?;
    let found: Option<Vec<u8>> = select.query_row([account], |row| row.get(0)).optional()?;
    let after = View::after(account, found.as_deref())?;
    let mut upsert = connection.prepare_cached(UPSERT)?;
    upsert.execute((account, after))?;
    connection.prepare_cached(MOVE)?.execute([number])?;
    Ok(())
}
