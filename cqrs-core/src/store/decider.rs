use super::conflict_window::{BoundaryCheck, ConflictWindow};
use super::{AppendError, Boundary, EventQuery, Incarnation, Position, StateWrite, StoreError};

/// Decides whether an append may be written, which every store has to do for promises I2 and I10.
///
/// A decider reads nothing. If the window is not enough, it returns [`Question`]s about the log,
/// which a store answers in its own way. So the decision is the same for a store that reads with
/// `await`, a store that reads on a thread, and a store in memory.
///
/// A store that writes several appends at once decides them one after the other: each accepted
/// append is added to the window before the next one is decided, and the window is truncated if the
/// batch is not written.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'w> {
    /// Incarnation of the log. A log that cannot be replaced has only one.
    pub incarnation: Incarnation,
    /// The last position in the log. Questions go no further.
    pub head: Position,
    /// The recent events up to the head, followed by the events that are about to be written in the
    /// same batch.
    pub window: &'w ConflictWindow,
}

/// A question to the log.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// Is there a matching event in `(after, up_to]`? The answer is the position of any such event.
    Match {
        /// The events that the append depends on.
        fail_if: &'a EventQuery,
        /// The position up to which the decision read them.
        after: Position,
        /// The head.
        up_to: Position,
    },
    /// Which position has the state that is stored under the key of this write? `None` if there is
    /// no such state. The answer includes states that are about to be written in the same batch.
    State(&'a StateWrite),
}

impl Decider<'_> {
    /// Whether an append with these boundaries can be decided now. It cannot if events that are
    /// about to be written have already left the window, since then neither the window nor the log
    /// has them. Therefore a batch that is larger than the window is written in parts.
    pub fn is_decidable(&self, boundaries: &[Boundary]) -> bool {
        self.window.floor() <= self.head || boundaries.is_empty()
    }

    /// Checks the conditions of an append, all of which must hold. The append may be written if
    /// [`Question::settle`] accepts the answer to each returned question.
    ///
    /// # Errors
    /// [`Conflict`](AppendError::Conflict) and [`Rewound`](StoreError::Rewound): the append must
    /// not be written. If its command was recorded before, a store returns the recorded append
    /// instead, since the conflicting events may be the command's own.
    pub fn check<'a>(
        &self,
        boundaries: &'a [Boundary],
        states: &'a [StateWrite],
    ) -> Result<Vec<Question<'a>>, AppendError> {
        let mut open = Vec::new();
        for boundary in boundaries {
            open.extend(self.check_boundary(boundary)?);
        }
        // The window has no states. Only the store knows their positions.
        open.extend(states.iter().map(Question::State));
        Ok(open)
    }

    /// Checks one of the boundaries of an append. Returns the question that is left, if there is
    /// one. For a store that can answer it at once; others [`check`](Self::check) all conditions.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_boundary<'a>(
        &self,
        boundary: &'a Boundary,
    ) -> Result<Option<Question<'a>>, AppendError> {
        // Positions of another log, or beyond the end of this one, say nothing about this log.
        // This is not a conflict: no event is evidence for it.
        if boundary.incarnation != self.incarnation || boundary.after > self.head {
            return Err(StoreError::Rewound {
                head: self.head,
                seen: boundary.after,
            }
            .into());
        }
        let after = match self.window.decide(boundary) {
            BoundaryCheck::Holds => return Ok(None),
            BoundaryCheck::Conflict(at) => return Err(AppendError::Conflict { at }),
            BoundaryCheck::Unknown(after) => after,
        };
        // The log answers for the events up to the head. The events after it are about to be
        // written, so only the window has them.
        let fail_if = &boundary.fail_if;
        match self.window.decide_after(fail_if, self.head) {
            BoundaryCheck::Conflict(at) => Err(AppendError::Conflict { at }),
            _ => Ok(Some(Question::Match {
                fail_if,
                after,
                up_to: self.head,
            })),
        }
    }
}

impl Question<'_> {
    /// Accepts an answer, unless the append must not be written because of it.
    ///
    /// # Errors
    /// [`AppendError::Conflict`].
    pub fn settle(&self, answer: Option<Position>) -> Result<(), AppendError> {
        match (self, answer) {
            (Self::Match { .. }, None) => Ok(()),
            (Self::Match { .. }, Some(at)) => Err(AppendError::Conflict { at }),
            (Self::State(write), stored) if stored == write.based_on => Ok(()),
            (Self::State(_), stored) => Err(AppendError::Conflict {
                at: stored.unwrap_or_default(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
