#![doc = include_str!("../README.md")]

mod attempts;
mod client;
mod command;
mod error;
mod problem;
mod query;
mod sse;
mod watch;

pub use client::{Client, NoClient};
pub use command::ExecuteCall;
pub use error::{ClientError, Rejection};
pub use problem::{InvalidField, Problem};
pub use query::QueryCall;
pub use watch::Watch;
