//! Runs the program, as a person or a script would.

mod addresses;
mod colors;
mod demo;
mod explain;
mod fields;
mod history;
mod import;
mod interrupted;
mod json;
mod map;
mod openapi;
mod operations;
#[cfg(unix)]
mod operations_page;
mod postgres;
mod process;
mod program;
mod rebuild;
mod schedules;
#[cfg(unix)]
mod schemathesis;
mod send_and_ask;
#[cfg(unix)]
mod senders;
#[cfg(unix)]
mod serve;
mod status;
#[cfg(unix)]
mod typescript;
mod umadb;
mod verbs;
