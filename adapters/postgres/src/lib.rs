#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! One task writes. It takes the appends that are waiting, decides each against the recent events in
//! memory, and writes all of them with one statement: one round trip, and one sync of the database's
//! log. The statement compares and sets the single row that holds the head of the log. If another
//! process was faster, nothing is written, and the task reads the new events and decides again. So
//! positions are contiguous and in commit order, whichever process writes.
//!
//! While other processes write, a function in the database locks the head instead, and writes what their
//! events do not concern. Its commit does not wait for the disk; one that does follows it, and the
//! commands are acknowledged after that. Reads wait until what they have seen is durable.

mod connect;
mod dialect;
mod error;
mod event_log;
mod fault;
mod health;
mod incarnations;
mod known_log;
mod link;
mod migrations;
mod notifier;
mod options;
mod outage;
mod pool;
mod read;
mod reconnect_backoff;
mod row;
mod runtime;
mod schema;
mod servers;
mod shard_rows;
mod shards;
mod sql;
mod sql_error;
mod store;
mod transaction;
mod versions;
mod view_store;
mod write;
mod writes;

pub use error::ConnectError;
pub use health::{ClusterHealth, ServerHealth, ServerRole, StandbyHealth};
pub use options::Options;
pub use read::query_tx::SqlReader;
pub use sql_error::SqlError;
pub use store::Postgres;
pub use tokio_postgres;
pub use transaction::Transaction;
pub use writes::{Parameter, SqlWrites};
