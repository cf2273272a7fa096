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

mod append_in;
mod connect;
mod connection;
mod dial;
mod error;
mod event_sizes;
mod event_store;
mod fault;
mod fold_read;
mod heads;
mod link;
mod loads;
mod migrate;
mod news;
mod open_transaction;
mod options;
mod pooler;
mod prepare;
mod reader;
mod replica;
mod row;
mod schema;
mod selection;
mod sql;
mod sql_error;
mod store;
mod table;
mod tls;
mod transaction;
mod turns;
mod view_store;
mod writer;

pub use error::ConnectError;
pub use options::Options;
pub use reader::Reader;
pub use sql_error::SqlError;
pub use store::Postgres;
pub use tokio_postgres;
pub use transaction::Transaction;
