//! Who may send and read what.

use std::fmt;

use crate::handler::Actor;

/// Decides who may send a message, or read an aggregate or the log, that names a permission. Each
/// dispatcher has one authorizer, which every entry point consults: typed calls, JSON, sessions,
/// history.
///
/// It decides from what is in hand; look up what an actor holds when you authenticate them.
pub trait Authorizer: Send + Sync + 'static {
    /// Lets the request through, or says why not.
    ///
    /// # Errors
    /// The reason, as the actor may read it.
    fn authorize(&self, request: &Request<'_>) -> Result<(), String>;
}

/// What an [`Authorizer`] decides on.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The actor, if the call names one.
    pub actor: Option<&'a Actor>,
    /// What is to be done with it.
    pub action: Action,
    /// The permission that it names.
    pub permission: &'static str,
    /// The name of the message; of an aggregate to read, its name in tags; `events` for the log.
    pub message: &'static str,
}

/// What an actor needs a permission for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// To send a command or ask a query.
    Send,
    /// To read the state and history of an aggregate, or the log.
    Read,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Read => "read",
        })
    }
}

/// Lets everyone send everything. Permissions are then only documentation.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn authorize(&self, _: &Request<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// Lets an actor send what they [hold](Actor::holds) the permission for.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeldPermissions;

impl Authorizer for HeldPermissions {
    fn authorize(&self, request: &Request<'_>) -> Result<(), String> {
        if request
            .actor
            .is_some_and(|actor| actor.holds(request.permission))
        {
            return Ok(());
        }
        Err(format!("it needs the permission `{}`", request.permission))
    }
}
