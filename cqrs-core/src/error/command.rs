use std::fmt;

use super::{Denied, Error, Failure, Invalid, InvalidKind, Rejected, Unknown, report};
use crate::store::Position;

/// The reason that a command was not carried out. `E` is the domain's own error, and defaults to
/// [`Rejected`].
#[derive(thiserror::Error)]
pub enum CommandError<E = Rejected> {
    /// The domain rejected the command. Nothing was recorded.
    #[error(transparent)]
    Rejected(E),
    /// The boundary of the decision changed during each of {attempts} attempts. Nothing was
    /// recorded; sending the command again is safe.
    #[error("gave up after {attempts} attempts: the boundary changed again at position {at}")]
    Conflict {
        /// The position of the event that conflicts with the last attempt.
        at: Position,
        /// Number of decisions of the handler.
        attempts: u32,
    },
    /// An event has concerned an aggregate of the command since the position that the caller has given with
    /// [`unchanged_since`](crate::app::ExecuteCall::unchanged_since). Nothing was recorded. The same command with the same
    /// position is refused again: look at the present state, and decide whether the command is still wanted.
    #[error("the data of the command has changed at position {at}, after {since}")]
    Moved {
        /// The position of the first such event.
        at: Position,
        /// The position that the caller has given.
        since: Position,
    },
    /// The message is invalid, or its id was used for another message.
    #[error("invalid command: {0}")]
    Invalid(Invalid),
    /// The actor may not send the command.
    #[error(transparent)]
    Denied(Denied),
    /// No command has this name. Only for JSON calls.
    #[error(transparent)]
    Unknown(Unknown),
    /// Something other than the domain failed.
    #[error(transparent)]
    Failed(Failure),
}

impl<E> CommandError<E> {
    /// Creates the error of a failure outside the domain, for handlers that return
    /// `Result<_, CommandError<E>>`.
    pub fn failed(error: impl Into<Error>) -> Self {
        Self::Failed(Failure::handler("the command's handler", error.into()))
    }

    /// The domain's error, if the command was rejected.
    pub fn rejected(self) -> Option<E> {
        match self {
            Self::Rejected(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the command's id was used before for another command, or with other fields: nothing was done.
    pub fn is_mismatch(&self) -> bool {
        matches!(self, Self::Invalid(invalid) if invalid.kind == InvalidKind::Id)
    }

    /// Replaces the domain's error, if the command was rejected.
    pub fn map_rejected<F>(self, replace: impl FnOnce(E) -> F) -> CommandError<F> {
        match self {
            Self::Rejected(error) => CommandError::Rejected(replace(error)),
            Self::Conflict { at, attempts } => CommandError::Conflict { at, attempts },
            Self::Moved { at, since } => CommandError::Moved { at, since },
            Self::Invalid(invalid) => CommandError::Invalid(invalid),
            Self::Denied(denied) => CommandError::Denied(denied),
            Self::Unknown(unknown) => CommandError::Unknown(unknown),
            Self::Failed(failure) => CommandError::Failed(failure),
        }
    }
}

impl<E: std::error::Error> fmt::Debug for CommandError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        report(self, f)
    }
}

impl<E> From<E> for CommandError<E> {
    fn from(error: E) -> Self {
        Self::Rejected(error)
    }
}
