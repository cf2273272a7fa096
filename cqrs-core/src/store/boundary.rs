use super::{AppendToken, EventQuery, Incarnation, Position};

/// A condition of an append: it fails if a matching event is recorded after a position.
///
/// A decision that read several things, each up to a position of its own, has several.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Boundary {
    /// The events that the decision depends on.
    pub fail_if: EventQuery,
    /// The position up to which they were read.
    pub after: Position,
    /// Incarnation of the log that was read. If it is not the store's current one, the append fails
    /// with [`Rewound`](super::StoreError::Rewound).
    pub incarnation: Incarnation,
    /// An append that was begun on the same store and may not be answered yet. The decision was made
    /// as if it had succeeded: the boundary begins after its events instead of `after`, and is
    /// broken unless that very append was recorded.
    ///
    /// Set only for a log that offers pipelining.
    pub after_append: Option<AppendToken>,
}

impl Boundary {
    /// No matching event after this position, in the first incarnation of the log.
    pub fn new(fail_if: EventQuery, after: Position) -> Self {
        Self {
            fail_if,
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
