//! For tests of a domain: [`given`] events, when a command, then events; and [`verify`], which
//! checks the wiring. For authors of stores: [`conformance`].
//!
//! What stands here panics to say that a test has failed, as assertions do.

pub mod conformance;
mod difference;
mod scenario;
mod verify;

pub use scenario::{Given, When, given};
pub use verify::{verify, verify_modules};
