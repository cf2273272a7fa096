use axum::http::request::Parts;
use cqrs_core::Actor;

/// Maps the head of a request to the actor who sends it.
pub(crate) type Authenticate =
    dyn Fn(&Parts) -> Result<Option<Actor>, Unauthenticated> + Send + Sync;

/// Nobody knows the sender of a request: it gets the status 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthenticated {
    /// The reason, as the sender may read it.
    pub reason: String,
    /// The value of the header `WWW-Authenticate`, such as `Bearer`.
    pub challenge: &'static str,
}
