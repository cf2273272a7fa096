use std::fmt;
use std::time::Duration;

use super::{Denied, Failure, Invalid, Unknown};
use crate::store::Position;

/// The reason that a query was not answered.
///
/// The details of each kind are boxed: moving a large error type takes longer than answering a
/// query from memory.
#[derive(thiserror::Error)]
pub enum QueryError {
    /// The message is invalid.
    #[error("invalid query: {0}")]
    Invalid(Box<Invalid>),
    /// The actor may not ask the query.
    #[error(transparent)]
    Denied(Box<Denied>),
    /// No query has this name. Only for JSON calls.
    #[error(transparent)]
    Unknown(Box<Unknown>),
    /// A read model did not reach the requested position in time.
    #[error(transparent)]
    NotCaughtUp(Box<NotCaughtUp>),
    /// Something failed.
    #[error(transparent)]
    Failed(Box<Failure>),
}

/// A projection or reaction did not reach the requested position in time. If an event keeps
/// failing, or the worker has stopped, a retry does not help: see `dispatcher.health()`.
#[derive(Clone, PartialEq, Eq)]
pub struct NotCaughtUp {
    /// `projection` or `reaction`.
    pub kind: &'static str,
    /// Name of the projection or reaction.
    pub name: &'static str,
    /// The position that it has reached.
    pub at: Position,
    /// The requested position.
    pub wanted: Position,
    /// The time limit of the wait.
    pub waited: Duration,
    /// The error, if an event keeps failing.
    pub failing: Option<String>,
    /// The reason, if the worker has stopped. The call did not wait then.
    pub stopped: Option<String>,
}

impl std::error::Error for NotCaughtUp {}

impl fmt::Display for NotCaughtUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            at,
            wanted,
            waited,
            failing,
            stopped,
        } = self;
        if let Some(reason) = stopped {
            return write!(
                f,
                "{kind} `{name}` has stopped at position {at} and will not reach {wanted}: {reason}"
            );
        }
        write!(
            f,
            "{kind} `{name}` reached position {at} but not {wanted} within {waited:?}"
        )?;
        match failing {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

crate::debug_as_report!(QueryError, NotCaughtUp);

macro_rules! boxed {
    ($($kind:ident)*) => {$(
        impl From<$kind> for QueryError {
            fn from(error: $kind) -> Self {
                Self::$kind(Box::new(error))
            }
        }
    )*};
}

boxed!(Invalid Denied Unknown NotCaughtUp);

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
