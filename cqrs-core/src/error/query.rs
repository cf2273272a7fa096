use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Denied, Failure, Invalid, Rebuilding, Unknown};
use crate::Timestamp;
use crate::store::Position;

/// The reason that a query was not answered: [`kind`](Self::kind) tells the kinds apart.
///
/// A single pointer, so that a small answer is returned in registers beside it. A larger error would
/// be returned in memory, and the answer with it, which takes longer than answering a query from
/// memory (decision 0018).
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct QueryError(Arc<QueryErrorKind>);

/// The kinds of a [`QueryError`].
#[derive(thiserror::Error)]
pub enum QueryErrorKind {
    /// The message is invalid.
    #[error("invalid query: {0}")]
    Invalid(Invalid),
    /// The actor may not ask the query.
    #[error(transparent)]
    Denied(Denied),
    /// No query has this name. Only for JSON calls.
    #[error(transparent)]
    Unknown(Unknown),
    /// A read model did not reach the requested position in time.
    #[error(transparent)]
    NotCaughtUp(NotCaughtUp),
    /// A read model is being built, and nothing can answer until then.
    #[error(transparent)]
    Rebuilding(Rebuilding),
    /// The events of the awaited command wait in a read model: an earlier one of their id failed.
    #[error(transparent)]
    Parked(Parked),
    /// Something failed.
    #[error(transparent)]
    Failed(Failure),
}

impl QueryError {
    /// The kind of error, with its details.
    pub fn kind(&self) -> &QueryErrorKind {
        &self.0
    }
}

/// A projection or reaction did not reach the requested position in time. If an event keeps
/// failing, or it is paused or has stopped, a retry does not help: see `dispatcher.health()`.
#[derive(Clone, PartialEq, Eq)]
pub struct NotCaughtUp {
    /// `projection` or `reaction`.
    pub kind: &'static str,
    /// Name of the projection or reaction.
    pub name: &'static str,
    /// The version of the projection, if an earlier one answers in place of that of this program.
    pub version: Option<u32>,
    /// The position that it has reached.
    pub at: Position,
    /// The requested position.
    pub wanted: Position,
    /// The time limit of the wait.
    pub waited: Duration,
    /// The error, if an event keeps failing.
    pub failing: Option<String>,
    /// The reason that an operator gave, if it is paused. The call did not wait then.
    pub paused: Option<String>,
    /// The reason, if it has stopped. The call did not wait then.
    pub stopped: Option<String>,
}

/// A projection leaves out the events of an awaited command, since an event of their id failed for too
/// long. A retry does not help until the id is [released](crate::app::Subscriptions::release).
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "projection `{name}` leaves out the events of `{partition}:{key}` since {since}, so it will not have \
     those of this command until they are released: {cause}"
)]
pub struct Parked {
    /// Name of the projection.
    pub name: &'static str,
    /// The name of the tag by which the projection is partitioned.
    pub partition: String,
    /// The id.
    pub key: String,
    /// Time since which its events are left out.
    pub since: Timestamp,
    /// The error of the event that failed.
    pub cause: String,
}

impl NotCaughtUp {
    /// The error of a wait by this kind of subscription with this name. Nothing is wrong there but the time.
    pub(crate) fn new(
        (kind, name): (&'static str, &'static str),
        at: Position,
        wanted: Position,
        within: Duration,
    ) -> Self {
        Self {
            kind,
            name,
            version: None,
            at,
            wanted,
            waited: within,
            failing: None,
            paused: None,
            stopped: None,
        }
    }
}

impl std::error::Error for NotCaughtUp {}

impl fmt::Display for NotCaughtUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            version,
            at,
            wanted,
            waited,
            failing,
            paused,
            stopped,
        } = self;
        if let Some(version) = version {
            write!(f, "version {version} of ")?;
        }
        if let Some(reason) = paused {
            return write!(
                f,
                "{kind} `{name}` is paused at position {at} and will not reach {wanted} until it is resumed: \
                 {reason}"
            );
        }
        if let Some(reason) = stopped {
            return write!(
                f,
                "{kind} `{name}` has stopped after position {at} and will not reach {wanted}: {reason}"
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

crate::debug_as_report!(QueryError, QueryErrorKind, NotCaughtUp, Parked);

macro_rules! kinds {
    ($($details:ident => $kind:ident)*) => {$(
        impl From<$details> for QueryError {
            fn from(details: $details) -> Self {
                Self(Arc::new(QueryErrorKind::$kind(details)))
            }
        }
    )*};
}

kinds! {
    Invalid => Invalid
    Denied => Denied
    Unknown => Unknown
    NotCaughtUp => NotCaughtUp
    Rebuilding => Rebuilding
    Parked => Parked
    Failure => Failed
}
