//! The decision whether an append may be written, made against the recent events in memory.
//!
//! ```
//! use cqrs_core::Position;
//! use cqrs_core::store::{Boundary, EventQuery, EventType, Incarnation, Tags};
//! use cqrs_kit::decider::{ConflictWindow, Decider};
//!
//! let mut window = ConflictWindow::new(Position::new(7), 100);
//! window.add(EventType::new("sold"), Tags::default()); // The event at position 8.
//! let decider = Decider {
//!     incarnation: Incarnation::default(),
//!     head: Position::new(8),
//!     window: &window,
//! };
//! // Decided up to position 7, and an event was recorded since.
//! let boundaries = [Boundary::new(EventQuery::All, Position::new(7))];
//! assert!(decider.check(&boundaries, &[]).is_err());
//! // Decided up to position 3, which is before the window: the log has to be asked.
//! let boundaries = [Boundary::new(EventQuery::typed(["returned"]), Position::new(3))];
//! assert_eq!(decider.check(&boundaries, &[])?.len(), 1);
//! # Ok::<_, cqrs_core::store::AppendError>(())
//! ```

// The core has them, because the store in memory decides by them, too.
#[doc(inline)]
pub use cqrs_core::__kit::{BoundaryCheck, ConflictWindow, Decider, Question};
