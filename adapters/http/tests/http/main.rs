//! The router behind a real server, asked by a real client.

mod commands;
mod domain;
mod fuzz;
mod limits;
mod queries;
mod server;
mod watches;
