use std::sync::Arc;

use super::{AppendToken, EventQuery, Incarnation, Position};

/// A condition of an append, which fails if a matching event is recorded after a position.
///
/// A decision that read several parts of the log, each up to its own position, has several
/// boundaries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Boundary {
    /// The events that the decision depends on. Shared, since all decisions about one aggregate
    /// depend on the same ones.
    pub fail_if: Arc<EventQuery>,
    /// The position up to which they were read.
    pub after: Position,
    /// Incarnation of the log that was read. If it is not the store's current one, the append fails
    /// with [`Rewound`](super::StoreError::Rewound).
    pub incarnation: Incarnation,
    /// An append to the same store that may not be answered yet. The decision was made as if that
    /// append had succeeded: the boundary begins after its events instead of `after`, and fails
    /// unless that very append was recorded.
    ///
    /// Set only for a log that offers pipelining.
    pub after_append: Option<AppendToken>,
}

impl Boundary {
    /// Creates a condition: no matching event after this position, in the first incarnation of the
    /// log.
    pub fn new(fail_if: impl Into<Arc<EventQuery>>, after: Position) -> Self {
        Self {
            fail_if: fail_if.into(),
            after,
            incarnation: Incarnation::default(),
            after_append: None,
        }
    }

    /// Sets the incarnation that was read.
    #[must_use]
    pub fn incarnation(mut self, incarnation: Incarnation) -> Self {
        self.incarnation = incarnation;
        self
    }

    /// Begins after the events of this append.
    #[must_use]
    pub fn after_append(mut self, token: AppendToken) -> Self {
        self.after_append = Some(token);
        self
    }
}
