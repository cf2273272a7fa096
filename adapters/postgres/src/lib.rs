#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! One task writes: it gathers the appends that are waiting, decides each against the recent
//! events that it keeps in memory, and writes them all with one statement, in one round trip, with
//! one sync of the database's log. The statement compares and sets the one row that holds the end
//! of the log: when another process was faster, nothing is written, and the task learns what
//! happened and decides again. So positions are contiguous and in commit order, whoever writes.

#![forbid(unsafe_code)]

mod connect;
mod dialect;
mod error;
mod event_log;
mod fault;
mod link;
mod migrations;
mod notifier;
mod options;
mod read;
mod row;
mod schema;
mod sql;
mod sql_error;
mod store;
mod tail;
mod transaction;
mod view_store;
mod write;

pub use error::ConnectError;
pub use options::Options;
pub use read::query_tx::Reader;
pub use sql_error::SqlError;
pub use store::Postgres;
pub use tokio_postgres;
pub use transaction::Transaction;
