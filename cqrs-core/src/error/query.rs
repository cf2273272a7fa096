use std::time::Duration;

use super::{Denied, Failure, Invalid, Unknown};
use crate::store::Position;

/// Why a query was not answered.
///
/// What each kind says is boxed: a query can be answered in less time than it takes to move a large
/// error type about.
#[derive(thiserror::Error)]
pub enum QueryError {
    /// The message makes no sense.
    #[error("invalid query: {0}")]
    Invalid(Box<Invalid>),
    /// The actor may not ask it.
    #[error(transparent)]
    Denied(Box<Denied>),
    /// There is no such query; only by name.
    #[error(transparent)]
    Unknown(Box<Unknown>),
    /// A read model did not reach the position asked for in time.
    #[error(transparent)]
    Behind(Box<Behind>),
    /// Something failed.
    #[error(transparent)]
    Failed(Box<Failure>),
}

/// A read model did not reach the position asked for in time. Ask again, or look at
/// `dispatcher.health()` when an event keeps failing.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "projection `{projection}` reached position {at} but not {wanted} within {waited:?}{}",
    .failing.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
)]
pub struct Behind {
    /// The projection.
    pub projection: &'static str,
    /// How far it is.
    pub at: Position,
    /// How far it should be.
    pub wanted: Position,
    /// How long the query waited.
    pub waited: Duration,
    /// The event that it keeps failing at, if it does.
    pub failing: Option<String>,
}

crate::debug_as_report!(QueryError, Behind);

macro_rules! boxed {
    ($($kind:ident)*) => {$(
        impl From<$kind> for QueryError {
            fn from(error: $kind) -> Self {
                Self::$kind(Box::new(error))
            }
        }
    )*};
}

boxed!(Invalid Denied Unknown Behind);

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
