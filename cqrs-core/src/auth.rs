//! Who may send what.

use crate::handler::Actor;

/// Decides who may send a message that names a permission. One per dispatcher, asked at every
/// door: typed, by name, sessions, adapters.
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
    /// Who asks, if anyone said.
    pub actor: Option<&'a Actor>,
    /// What the message says its sender must hold.
    pub permission: &'static str,
    /// The message's name.
    pub message: &'static str,
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
