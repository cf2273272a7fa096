//! The decision whether an append may be written, made against the recent events in memory. The
//! crate's first page has an example.

// The core has them, because the store in memory decides by them, too.
#[doc(inline)]
pub use cqrs_core::__kit::{BoundaryCheck, ConflictWindow, Decider, Question};
