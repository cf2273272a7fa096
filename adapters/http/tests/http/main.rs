//! The router behind a real server, asked by a real client.

mod commands;
#[cfg(feature = "openapi")]
mod documents;
mod domain;
mod events;
mod fuzz;
mod heads;
mod hostile;
mod limits;
#[cfg(feature = "jwt")]
mod logs;
mod matches;
#[cfg(feature = "page")]
mod page;
mod queries;
mod rows;
mod server;
mod stream_ends;
#[cfg(feature = "jwt")]
mod tokens;
mod watches;
