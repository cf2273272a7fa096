//! Actors, permissions and the authorizer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use crate::error::Action;

/// Decides whether an actor may send a message, or read an aggregate or the log, that names a
/// permission. Each dispatcher has one authorizer, which every entry point consults: typed calls,
/// JSON, sessions, history.
///
/// It decides synchronously, from the request alone. Look up an actor's permissions when you
/// authenticate the actor.
pub trait Authorizer: Send + Sync + 'static {
    /// Admits or denies the request.
    ///
    /// # Errors
    /// The reason of the denial, in words that the actor may read.
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String>;

    /// Whether the actor holds this permission, for handlers and functions of rows that ask
    /// [`Actor::holds`]. Defaults to the permissions that the actor was given. An authorizer that knows
    /// others admits and answers by the same.
    fn holds(&self, actor: &Actor, permission: &str) -> bool {
        actor.holds(permission)
    }
}

/// The authorizer of a dispatcher. One pointer wide, since every call has room for an actor.
pub(crate) type SharedAuthorizer = Arc<Box<dyn Authorizer>>;

/// The access that an [`Authorizer`] decides on.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// The actor, if the call names one.
    pub actor: Option<&'a Actor>,
    /// The action that needs the permission.
    pub action: Action,
    /// The permission.
    pub permission: &'static str,
    /// The name of the message, the name of the aggregate in tags, or `events` for the log. Of another
    /// [access](crate::Dispatcher::authorize), what the adapter says.
    pub message: &'static str,
}

/// The sender of a message, with a name and permissions. Clones share the data.
#[derive(Clone)]
pub struct Actor {
    inner: Arc<ActorData>,
    /// Set in what handlers and functions of rows are given. Not a part of the actor: it is neither compared nor stored.
    authorizer: Option<SharedAuthorizer>,
}

/// An actor as it is stored with a command that is sent later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActorData {
    pub(crate) name: String,
    permissions: BTreeSet<String>,
}

impl Actor {
    /// Creates an actor without permissions.
    pub fn new(name: impl Into<String>) -> Self {
        let data = ActorData {
            name: name.into(),
            permissions: BTreeSet::new(),
        };
        data.into()
    }

    /// Adds a permission.
    #[must_use]
    pub fn with(mut self, permission: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner)
            .permissions
            .insert(permission.into());
        self
    }

    /// The name, which events record.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn data(&self) -> &ActorData {
        &self.inner
    }

    /// Whether the actor holds this permission. In handlers and functions of rows, the dispatcher's
    /// [authorizer](Authorizer::holds) answers.
    pub fn holds(&self, permission: &str) -> bool {
        match &self.authorizer {
            Some(authorizer) => authorizer.holds(&self.asking(None), permission),
            None => self.inner.permissions.contains(permission),
        }
    }

    /// The same actor, whose permissions are those that this authorizer knows of.
    pub(crate) fn asking(&self, authorizer: Option<&SharedAuthorizer>) -> Self {
        Self {
            inner: self.inner.clone(),
            authorizer: authorizer.cloned(),
        }
    }

    /// The same actor with its own permissions, if another dispatcher's authorizer knows of others.
    pub(crate) fn detached(&self) -> Option<Self> {
        self.authorizer.is_some().then(|| self.asking(None))
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Actor").field(&self.inner).finish()
    }
}

impl PartialEq for Actor {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Actor {}

impl From<ActorData> for Actor {
    fn from(data: ActorData) -> Self {
        Self {
            inner: Arc::new(data),
            authorizer: None,
        }
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
