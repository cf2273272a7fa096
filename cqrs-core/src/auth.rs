//! Actors, permissions and the authorizer.

use std::collections::BTreeSet;
use std::sync::Arc;

pub use crate::error::Action;

/// Decides whether an actor may send a message, or read an aggregate or the log, that names a permission. Each
/// dispatcher has one authorizer, which every entry point consults: typed calls, JSON, sessions,
/// history.
///
/// It decides from what is in hand; look up what an actor holds when you authenticate them.
pub trait Authorizer: Send + Sync + 'static {
    /// Admits the request, or returns the reason to deny it.
    ///
    /// # Errors
    /// The reason, as the actor may read it.
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String>;
}

/// The access that an [`Authorizer`] decides on.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// The actor, if the call names one.
    pub actor: Option<&'a Actor>,
    /// The action that the permission is needed for.
    pub action: Action,
    /// The permission that it names.
    pub permission: &'static str,
    /// The name of the message; of an aggregate to read, its name in tags; `events` for the log.
    pub message: &'static str,
}

/// The sender of a message, with a name and permissions. Clones share the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    inner: Arc<ActorData>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ActorData {
    name: String,
    permissions: BTreeSet<String>,
}

impl Actor {
    /// An actor that holds nothing.
    pub fn new(name: impl Into<String>) -> Self {
        let data = ActorData {
            name: name.into(),
            permissions: BTreeSet::new(),
        };
        Self {
            inner: Arc::new(data),
        }
    }

    /// The same actor, holding this as well.
    #[must_use]
    pub fn with(mut self, permission: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner)
            .permissions
            .insert(permission.into());
        self
    }

    /// The name, as events record it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether the actor holds this permission.
    pub fn holds(&self, permission: &str) -> bool {
        self.inner.permissions.contains(permission)
    }
}

/// Admits every request. Permissions are then only documentation.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn authorize(&self, _: &AccessRequest<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// Admits actors that [hold](Actor::holds) the permission.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeldPermissions;

impl Authorizer for HeldPermissions {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        if request
            .actor
            .is_some_and(|actor| actor.holds(request.permission))
        {
            return Ok(());
        }
        Err(format!("it needs the permission `{}`", request.permission))
    }
}
