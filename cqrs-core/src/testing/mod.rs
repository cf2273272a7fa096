//! Tests of a domain: [`given`] events, when a command, then events; [`projection`],
//! [`reaction`] and [`process_manager`] in the same style. [`verify`] checks the wiring, [`verify_payloads`] that old
//! events can be decoded, and [`verify_schemas!`] that a change fits everything that is stored.
//!
//! A failed test panics, like an assertion.

mod difference;
mod given_events;
mod golden;
mod log_without_sql;
mod process_manager;
mod projection;
mod reaction;
mod scenario;
#[cfg(feature = "schema")]
mod schema_lock;
mod verify;

pub use golden::verify_payloads;
pub use process_manager::{ProcessManagerTest, process_manager};
pub use projection::{ProjectionTest, projection};
pub use reaction::{Commands, Reacted, ReactionTest, reaction};
pub use scenario::{Given, When, given};
#[cfg(feature = "schema")]
pub use schema_lock::{verify_schemas, verify_schemas_in};
pub use verify::{verify, verify_modules};

pub use crate::dispatcher::sent::SentCommand;
