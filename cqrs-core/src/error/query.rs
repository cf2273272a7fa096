use std::fmt;
use std::time::Duration;

use super::{Denied, Failure, Invalid, Unknown};
use crate::store::Position;

/// Why a query was not answered.
///
/// The details of each kind are boxed: moving a large error type takes longer than answering a query
/// from memory.
#[derive(thiserror::Error)]
pub enum QueryError {
    /// The message is invalid.
    #[error("invalid query: {0}")]
    Invalid(Box<Invalid>),
    /// The actor may not ask it.
    #[error(transparent)]
    Denied(Box<Denied>),
    /// No query has this name. Only for JSON calls.
    #[error(transparent)]
    Unknown(Box<Unknown>),
    /// A read model did not reach the position asked for in time.
    #[error(transparent)]
    NotCaughtUp(Box<NotCaughtUp>),
    /// Something failed.
    #[error(transparent)]
    Failed(Box<Failure>),
}

/// A projection or reaction did not reach the position asked for: not in time, or not at all. When
/// an event keeps failing or the worker has stopped, asking again does not help: look at
/// `dispatcher.health()`.
#[derive(Clone, PartialEq, Eq)]
pub struct NotCaughtUp {
    /// `projection` or `reaction`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The position that it has reached.
    pub at: Position,
    /// The position that was asked for.
    pub wanted: Position,
    /// The time limit of the wait.
    pub waited: Duration,
    /// The event that it keeps failing at, if it does.
    pub failing: Option<String>,
    /// Why it has stopped, if it has: nothing was waited for.
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
