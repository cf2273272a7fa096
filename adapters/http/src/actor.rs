use std::time::SystemTime;

use axum::http::request::Parts;
use cqrs_core::Actor;

/// Maps the head of a request to its sender.
pub(crate) type Authenticate = dyn Fn(&Parts) -> Result<Sender, Unauthenticated> + Send + Sync;

/// The sender of a request.
pub(crate) struct Sender {
    pub(crate) actor: Option<Actor>,
    /// The end of what shows who it is.
    pub(crate) expiry: Option<Expiry>,
}

/// The end of a token.
#[derive(Clone)]
pub(crate) struct Expiry {
    pub(crate) time: SystemTime,
    /// The answer from then on.
    pub(crate) refusal: Unauthenticated,
}

/// Nobody knows the sender of a request: it gets the status 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthenticated {
    /// The reason, as the sender may read it.
    pub reason: String,
    /// The value of the header `WWW-Authenticate`, such as `Bearer`.
    pub challenge: &'static str,
}
