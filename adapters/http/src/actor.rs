use std::time::SystemTime;

use axum::http::request::Parts;
use cqrs_core::Actor;
use cqrs_core::store::{BoxFuture, CustomMetadata};

/// Maps the head of a request to its sender.
pub(crate) trait Authenticate: Send + Sync {
    fn sender(&self, head: &Parts) -> Result<Sender, Unauthenticated>;

    /// Looks for what a sender who was refused may be known by. `None` if that is in vain.
    fn learn<'a>(&'a self, _: &'a Parts) -> Option<BoxFuture<'a, ()>> {
        None
    }
}

/// Nobody has an actor.
pub(crate) struct NoActors;

impl Authenticate for NoActors {
    fn sender(&self, _: &Parts) -> Result<Sender, Unauthenticated> {
        Ok(Sender {
            actor: None,
            expiry: None,
        })
    }
}

/// A function of the program finds the actor.
pub(crate) struct FoundBy<F>(pub(crate) F);

impl<F> Authenticate for FoundBy<F>
where
    F: Fn(&Parts) -> Result<Option<Actor>, Unauthenticated> + Send + Sync,
{
    fn sender(&self, head: &Parts) -> Result<Sender, Unauthenticated> {
        let actor = (self.0)(head)?;
        Ok(Sender {
            actor,
            expiry: None,
        })
    }
}

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

/// Maps the head of a request and its actor to custom metadata of its command.
pub(crate) type FindMetadata = dyn Fn(&Parts, Option<&Actor>) -> CustomMetadata + Send + Sync;

/// Nobody knows the sender of a request: it gets the status 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthenticated {
    /// The reason, as the sender may read it.
    pub reason: String,
    /// The value of the header `WWW-Authenticate`, such as `Bearer`.
    pub challenge: &'static str,
}
