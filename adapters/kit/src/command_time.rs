//! The time at which the command of a task was sent, from which a store counts how long the command may wait for a
//! database that is unreachable.

#[doc(inline)]
pub use cqrs_core::__kit::{sent_at, with_sent_at};
