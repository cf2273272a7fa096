use super::conflict_window::{BoundaryCheck, ConflictWindow};
use super::{AppendError, Boundary, EventQuery, Incarnation, Position, StateWrite, StoreError};

/// Decides whether an append may be written: the decision that every store has to make, and the
/// heart of promises I2 and I10.
///
/// It reads nothing. What the window cannot decide comes back as [`Question`]s for the log, which a
/// store asks in its own way, and so the decision is the same for a store that reads with `await`,
/// one that reads on a thread, and one in memory.
///
/// A store that writes several appends at once decides them one after the other: each accepted
/// append is added to the window before the next one is decided, and the window is truncated if the
/// batch is not written.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'w> {
    /// Incarnation of the log. Stores whose log cannot be replaced have one only.
    pub incarnation: Incarnation,
    /// The last position that the log can be asked about.
    pub head: Position,
    /// The recent events up to the head, and after them those that are about to be written with this
    /// append.
    pub window: &'w ConflictWindow,
}

/// A question to the log.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// Is there a matching event in `(after, up_to]`? The answer is the position of any one.
    Match {
        /// The events that the append depends on.
        fail_if: &'a EventQuery,
        /// The position up to which the decision read them.
        after: Position,
        /// The head.
        up_to: Position,
    },
    /// Which position has the state that is stored under the key of this write? `None` if none is.
    /// The answer includes states that are about to be written.
    State(&'a StateWrite),
}

impl Decider<'_> {
    /// Whether an append with these boundaries can be decided now. It cannot while events that are
    /// about to be written have left the window already, so that neither the window nor the log has
    /// them: a batch that is larger than the window is written in parts.
    pub fn is_decidable(&self, boundaries: &[Boundary]) -> bool {
        self.window.floor() <= self.head || boundaries.is_empty()
    }

    /// Checks the conditions of an append, all of which must hold. It may be written if
    /// [`Question::settle`] accepts the log's answer to each question that is returned.
    ///
    /// # Errors
    /// [`Conflict`](AppendError::Conflict) and [`Rewound`](StoreError::Rewound): the append must not
    /// be written. If its command was recorded before, a store answers with that append instead: the
    /// events in its way may be its own.
    pub fn check<'a>(
        &self,
        boundaries: &'a [Boundary],
        states: &'a [StateWrite],
    ) -> Result<Vec<Question<'a>>, AppendError> {
        let mut open = Vec::new();
        for boundary in boundaries {
            if boundary.incarnation != self.incarnation || boundary.after > self.head {
                return Err(StoreError::Rewound {
                    head: self.head,
                    seen: boundary.after,
                }
                .into());
            }
            match self.window.decide(boundary) {
                BoundaryCheck::Holds => {}
                BoundaryCheck::Conflict(at) => {
                    return Err(AppendError::Conflict { at });
                }
                BoundaryCheck::Unknown(after) => {
                    // The log has the events up to the head; events about to be written are in the
                    // window only.
                    let fail_if = &boundary.fail_if;
                    let pending = Boundary::new(fail_if.clone(), self.head);
                    if let BoundaryCheck::Conflict(at) = self.window.decide(&pending) {
                        return Err(AppendError::Conflict { at });
                    }
                    open.push(Question::Match {
                        fail_if,
                        after,
                        up_to: self.head,
                    });
                }
            }
        }
        open.extend(states.iter().map(Question::State));
        Ok(open)
    }
}

impl Question<'_> {
    /// Whether the append may be written, as far as this answer goes.
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
