#![doc = include_str!("../README.md")]

mod append;
mod connect;
mod error;
mod fault;
mod grpc;
mod known_log;
mod link;
mod notifier;
mod options;
#[allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated, and complete"
)]
mod proto;
mod read;
mod record;
mod store;

pub use error::ConnectError;
pub use options::Options;
pub use store::UmaDb;
