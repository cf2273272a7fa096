//! The baseline: careful SQL by hand, with one transaction per command.

use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use serde::{Deserialize, Serialize};

use crate::domain::LIMIT;
use crate::load::{Latencies, Load, Outcome};
use crate::{Result, cargo};

/// The log's order is the rowid. The table has as many trees to write as that of sqlite-es.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (
    position  INTEGER PRIMARY KEY,
    aggregate TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    type      TEXT    NOT NULL,
    payload   BLOB    NOT NULL,
    UNIQUE (aggregate, seq)
) STRICT";

const LOAD: &str = "SELECT seq, payload FROM events WHERE aggregate = ?1 ORDER BY seq";

const INSERT: &str = "INSERT INTO events (aggregate, seq, type, payload) VALUES (?1, ?2, ?3, ?4)";

#[derive(Serialize, Deserialize)]
struct Deposited {
    amount: u64,
}

/// Each caller on a thread and a connection of its own.
pub fn own_connections(load: Load) -> Result<Outcome> {
    let folder = cargo::scratch()?;
    let open = |_| open(&folder.path().join("raw.db"), SCHEMA);
    let connections = (0..load.callers).map(open).collect::<Result<Vec<_>>>()?;
    callers(load, connections, |connection, id| {
        deposit(connection, id, 1)
    })
}

/// Each caller on a thread of its own, all on one connection.
pub fn shared_connection(load: Load) -> Result<Outcome> {
    let folder = cargo::scratch()?;
    let connection = Mutex::new(open(&folder.path().join("raw.db"), SCHEMA)?);
    let connections = (0..load.callers).map(|_| &connection).collect();
    callers(load, connections, |connection, id| {
        deposit(
            &mut connection.lock().unwrap_or_else(PoisonError::into_inner),
            id,
            1,
        )
    })
}

/// Each caller on a thread of its own, all sending their commands to the one that has the
/// connection.
pub fn queued_connection(load: Load) -> Result<Outcome> {
    let folder = cargo::scratch()?;
    let mut connection = open(&folder.path().join("raw.db"), SCHEMA)?;
    let (queue, commands) = mpsc::channel::<(String, mpsc::SyncSender<Result<()>>)>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for (id, answer) in commands {
                // A caller that has stopped needs no answer.
                let _ = answer.send(deposit(&mut connection, &id, 1));
            }
        });
        let queues = (0..load.callers).map(|_| queue.clone()).collect();
        drop(queue);
        callers(load, queues, |queue, id| {
            let (answer, answered) = mpsc::sync_channel(1);
            queue.send((id.to_owned(), answer))?;
            answered.recv()?
        })
    })
}

fn callers<C: Send>(
    load: Load,
    connections: Vec<C>,
    send: impl Fn(&mut C, &str) -> Result<()> + Sync,
) -> Result<Outcome> {
    let call = |mut connection, ids: Vec<String>| {
        let mut latencies = Latencies::default();
        for id in ids {
            let start = Instant::now();
            send(&mut connection, &id)?;
            latencies.since(start);
        }
        Result::Ok(latencies)
    };
    let ids: Vec<Vec<_>> = (0..load.callers)
        .map(|caller| load.ids_of(caller).collect())
        .collect();
    let start = Instant::now();
    let latencies = thread::scope(|scope| {
        let callers = connections.into_iter().zip(ids);
        let threads = callers.map(|(connection, ids)| scope.spawn(|| call(connection, ids)));
        let threads: Vec<_> = threads.collect();
        let mut all = Latencies::default();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a caller panicked")??);
        }
        Result::Ok(all)
    })?;
    Ok(latencies.outcome(start.elapsed()))
}

/// A new file with the settings that all contenders share, and these tables.
pub fn open(file: &Path, tables: &str) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", super::CHECKPOINT)?;
    connection.pragma_update(None, "cache_size", super::CACHE)?;
    connection.execute_batch(tables)?;
    Ok(connection)
}

/// One command: load, fold, decide, insert.
fn deposit(connection: &mut Connection, account: &str, amount: u64) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut seq, mut balance) = (0, 0);
    {
        let mut load = transaction.prepare_cached(LOAD)?;
        let mut rows = load.query([account])?;
        while let Some(row) = rows.next()? {
            seq = row.get::<_, i64>(0)?;
            let event: Deposited = serde_json::from_slice(row.get_ref(1)?.as_blob()?)?;
            balance += event.amount;
        }
    }
    if balance + amount > LIMIT {
        return Err("the account is full".into());
    }
    let payload = serde_json::to_vec(&Deposited { amount })?;
    transaction
        .prepare_cached(INSERT)?
        .execute((account, seq + 1, "deposited", payload))?;
    transaction.commit()?;
    Ok(())
}
