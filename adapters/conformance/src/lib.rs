#![doc = include_str!("../README.md")]
#![allow(
    clippy::missing_panics_doc,
    reason = "every promise here panics when the store breaks it"
)]

mod fixture;
pub mod log;
mod macros;
mod outcome;
mod tasks;
pub mod views;

pub use fixture::{LogFixture, StoreFixture, ViewFixture};
pub use outcome::{Outcome, run};
