#![doc = include_str!("../README.md")]
//!
//! [`run`] is for a program that needs no more than its modules, [`Program`] for everything else.

mod abbreviations;
mod address;
mod args;
mod ask;
mod call;
mod columns;
mod completions;
mod error;
mod events;
mod explain;
mod fields;
mod history;
mod import;
mod input;
#[cfg(feature = "serve")]
mod log;
mod map;
mod message;
#[cfg(feature = "serve")]
mod metrics;
mod open;
mod operations;
#[cfg(feature = "serve")]
mod operations_page;
mod out;
mod own_verb;
mod processes;
mod program;
mod rebuild;
mod receipt;
mod schedules;
mod send;
#[cfg(feature = "serve")]
mod senders;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "postgres")]
mod servers;
#[cfg(feature = "serve")]
mod settings;
mod shutdown;
mod signal;
mod state;
mod status;
#[cfg(feature = "serve")]
mod tokens;
mod usage;
mod user_role;
mod verify;

use std::process::ExitCode;

pub use address::StoreKind;
pub use call::Call;
pub use columns::{Column, Columns};
pub use error::CliError;
pub use events::events_table;
pub use out::{BAD, FAINT, GOOD, HEADING, eprint_line, escape_controls, print_line, time};
pub use program::Program;
pub use receipt::outcome;

use cqrs_core::app::Builder;

/// Runs the verb that the arguments of this process name, with the dispatcher of a program: `main` in one line. The
/// function gets the kind of the store, and leaves the store itself out.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use cqrs_core::prelude::*;
///
/// cqrs_core::module!();
///
/// fn main() -> ExitCode {
///     cqrs_cli::run(|_| Dispatcher::builder().module(module()))
/// }
/// ```
pub fn run(domain: impl Fn(StoreKind) -> Builder + Send + Sync + 'static) -> ExitCode {
    Program::new(domain).run()
}
