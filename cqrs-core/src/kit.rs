//! Parts of the core that `wired-cqrs-kit` exports for authors of stores. Not public API: they change
//! without notice.

pub use crate::store::command_time::{sent_at, with_sent_at};
pub use crate::store::conflict_window::{BoundaryCheck, ConflictWindow};
pub use crate::store::decider::{Decider, Question};
pub use crate::store::subscription::Subscription;
