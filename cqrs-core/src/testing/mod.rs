//! For tests of a domain: [`given`] events, when a command, then events; [`projection`] and
//! [`reaction`] in the same style; [`verify`], which checks the wiring; and [`verify_payloads`], which
//! checks that old events can be read.
//!
//! A test that fails panics, as assertions do.

mod difference;
mod given_events;
mod golden;
mod projection;
mod reaction;
mod scenario;
mod verify;

pub use golden::verify_payloads;
pub use projection::{ProjectionTest, projection};
pub use reaction::{Commands, Reacted, ReactionTest, reaction};
pub use scenario::{Given, When, given};
pub use verify::{verify, verify_modules};

pub use crate::dispatcher::sent::SentCommand;
