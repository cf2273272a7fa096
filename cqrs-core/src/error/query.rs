use std::time::Duration;

use super::{Denied, Failure, Invalid, Unknown};
use crate::store::Position;

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The message makes no sense.
    #[error("invalid query: {0}")]
    Invalid(Invalid),
    /// The actor may not ask it.
    #[error(transparent)]
    Denied(Denied),
    /// There is no such query; only by name.
    #[error(transparent)]
    Unknown(Unknown),
    /// A read model did not reach the position asked for in time. Ask again, or look at
    /// `dispatcher.health()` when the reason names a failing event.
    #[error(
        "projection `{projection}` reached position {at} but not {wanted} within {waited:?}{}",
        .failing.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    Behind {
        /// The projection.
        projection: &'static str,
        /// How far it is.
        at: Position,
        /// How far it should be.
        wanted: Position,
        /// How long the query waited.
        waited: Duration,
        /// The event that it keeps failing at, if it does.
        failing: Option<String>,
    },
    /// Something failed.
    #[error(transparent)]
    Failed(Failure),
}
