#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! One thread writes: it gathers the appends that are waiting, decides each against the recent
//! events that it keeps in memory, and commits them as one transaction with one `fsync`. A few
//! threads read, each request in one snapshot. Several processes may open the same database.
//!
//! Handlers may write tables of their own in the transaction of the events or of the checkpoint, as
//! `&mut Tx<Sqlite>`: see [`Transaction`]. Query handlers read them with a `ReadTx<Sqlite>`: see
//! [`Reader`].
//!
//! What is visible is durable: with [`Synchronous::Full`], SQLite syncs the write-ahead log before
//! it tells readers, of this process or another, that the log has grown.

#![forbid(unsafe_code)]

mod error;
mod event_store;
mod fault;
mod files;
mod news;
mod open;
mod options;
mod patience;
mod query_reader;
mod read_only;
mod reader;
mod row;
mod schema;
mod sql;
mod store;
mod table;
#[cfg(test)]
mod testing;
mod thread;
mod transaction;
mod view_store;
mod writer;

/// For the SQL of handlers, in the version that this crate uses.
pub use rusqlite;

pub use error::{OpenError, ReadError};
pub use options::{Options, Synchronous};
pub use query_reader::Reader;
pub use store::Sqlite;
pub use transaction::Transaction;
