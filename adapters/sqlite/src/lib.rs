#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! One thread writes. It takes the appends that are waiting, decides each against the recent events in
//! memory, and commits all of them in one transaction with one `fsync`. A few threads read, each
//! request in one snapshot. Several processes may open the same database.
//!
//! Handlers may write tables of their own in the transaction of the events or of the checkpoint, as
//! `&mut Writes<Sqlite>` or `&mut Tx<Sqlite>`: see [`SqlWrites`] and [`Transaction`]. Query handlers read them with a `ReadTx<Sqlite>`: see
//! [`SqlReader`].
//!
//! What is visible is durable: with [`Synchronous::Full`], SQLite syncs the write-ahead log before
//! it tells readers, of this process or another, that the log has grown.

mod dialect;
mod error;
mod event_log;
mod fault;
mod files;
mod migrations;
mod open;
mod options;
mod read;
mod row;
mod shards;
mod sql;
mod stall;
mod store;
#[cfg(test)]
mod testing;
mod thread;
mod transaction;
mod versions;
mod view_store;
mod worker_locks;
mod write;
mod writes;

/// For the SQL of handlers, in the version that this crate uses.
pub use rusqlite;

pub use error::{OpenError, ReadError};
pub use options::{Options, Synchronous};
pub use read::query_tx::SqlReader;
pub use store::Sqlite;
pub use transaction::Transaction;
pub use writes::{Parameter, SqlWrites};
