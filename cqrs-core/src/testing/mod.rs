//! For tests of a domain: [`given`] events, when a command, then events; [`projection`] and
//! [`reaction`] in the same style; and [`verify`], which checks the wiring. For authors of stores:
//! [`conformance`].
//!
//! A test that fails panics, as assertions do.

pub mod conformance;
mod difference;
mod history;
mod projection;
mod reaction;
mod scenario;
mod verify;

pub use projection::{ProjectionTest, projection};
pub(crate) use reaction::SentCommands;
pub use reaction::{Commands, Reacted, ReactionTest, SentCommand, reaction};
pub use scenario::{Given, When, given};
pub use verify::{verify, verify_modules};
