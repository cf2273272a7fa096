#![doc = include_str!("../README.md")]

pub mod ahead;
pub mod batch;
pub mod blueprints;
pub mod command_time;
pub mod decider;
pub mod migrations;
pub mod model_plan;
pub mod options;
pub mod prepared;
pub mod queue;
pub mod tail;
pub mod tail_cache;
#[cfg(test)]
mod testing;
pub mod view_changes;
mod view_error;
pub mod view_table;
pub mod writes;

#[doc(inline)]
pub use cqrs_core::__kit::Subscription;
pub use view_error::ViewError;
