//! Tests of a domain: [`given`] events, when a command, then events; [`projection`],
//! [`reaction`] and [`process_manager`] in the same style. [`verify`] checks the wiring, and [`verify_payloads`] that old
//! events can be decoded.
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
mod verify;

pub use golden::verify_payloads;
pub use process_manager::{ProcessManagerTest, process_manager};
pub use projection::{ProjectionTest, projection};
pub use reaction::{Commands, Reacted, ReactionTest, reaction};
pub use scenario::{Given, When, given};
pub use verify::{verify, verify_modules};

pub use crate::dispatcher::sent::SentCommand;
