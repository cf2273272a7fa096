#![doc = include_str!("../README.md")]
//!
//! [`router`] has the limits that most applications want; [`Options`] sets them, and maps a request to the actor who sends
//! it.

mod actor;
mod command;
#[cfg(feature = "openapi")]
mod documents;
mod event_filter;
mod events;
mod failure;
mod gateway;
mod headers;
#[cfg(feature = "jwt")]
pub mod jwt;
mod limits;
mod options;
mod panic;
mod pointer;
mod problem;
mod query;
mod query_string;
mod question;
mod rate;
mod request_body;
mod running_keys;
mod server;
mod stream_sender;
mod watch;

pub use actor::Unauthenticated;
pub use options::Options;
pub use problem::Problem;
pub use server::Server;

use cqrs_core::Dispatcher;

/// The routes of all commands and queries of a dispatcher, with the default [`Options`]: without actors, so that messages
/// which need a permission are refused.
pub fn router(dispatcher: Dispatcher) -> axum::Router {
    Options::new().router(dispatcher)
}
