use axum::http::HeaderMap;
use axum::http::request::Parts;
use cqrs_core::Actor;
use cqrs_core::app::Builder;
use cqrs_http::Unauthenticated;
use cqrs_http::jwt::{BearerTokens, Roles};

use crate::args::ServeArgs;
use crate::call::Call;
use crate::error::CliError;
use crate::tokens::tokens;
use crate::user_role::UserRole;

/// Finds the actor of a request by its head.
pub(crate) type FindActor = dyn Fn(&Parts) -> Result<Option<Actor>, Unauthenticated> + Send + Sync;

/// The permissions of the operations page, which an actor with all permissions has, too.
const OPERATIONS: [&str; 2] = ["operations:read", "operations:write"];

/// Whether a request says who sends it.
pub(crate) fn are_known(arguments: &ServeArgs) -> bool {
    arguments.actor_header.is_some() || !arguments.token_audience.is_empty()
}

/// The tokens that requests need, if senders are known by them. `roles` are those of the program.
pub(crate) fn find_tokens(
    arguments: &ServeArgs,
    roles: &[UserRole],
) -> Result<Option<BearerTokens>, CliError> {
    // With a file of roles, that alone decides.
    let decides = arguments.role_permissions.is_some();
    let found = tokens(arguments, if decides { &[] } else { roles })?;
    if found.is_some() && arguments.actor_header.is_some() {
        return Err(CliError::Invalid(
            "senders are known by `--actor-header` or by `--token-audience`, not by both"
                .to_owned(),
        ));
    }
    Ok(found)
}

/// The function that finds the sender of a request that needs no token.
pub(crate) fn find_named(arguments: &ServeArgs, call: &Call) -> Box<FindActor> {
    let permissions = permissions(arguments, call);
    let sender = move |name: &str| {
        let permissions = permissions.iter().cloned();
        permissions.fold(Actor::new(name), Actor::with)
    };
    match arguments.actor_header.clone() {
        None => {
            let actor = sender(&call.actor);
            Box::new(move |_| Ok(Some(actor.clone())))
        }
        Some(header) => Box::new(move |head| {
            let name = named_by(&header, &head.headers)?;
            Ok(Some(sender(name)))
        }),
    }
}

/// The permissions of a sender without a token.
fn permissions(arguments: &ServeArgs, call: &Call) -> Vec<String> {
    if arguments.role_permissions.is_some() {
        return Vec::new();
    }
    let mut permissions = call.permissions();
    if call.permissions.is_none() {
        permissions.extend(OPERATIONS.map(str::to_owned));
    }
    permissions
}

/// The builder with the authorizer of the file of roles, if there is one.
pub(crate) fn authorize(arguments: &ServeArgs, builder: Builder) -> Result<Builder, CliError> {
    let Some(file) = &arguments.role_permissions else {
        return Ok(builder);
    };
    let roles = Roles::file(file).map_err(|error| CliError::Invalid(error.to_string()))?;
    Ok(builder.authorizer(roles))
}

/// The name of an actor in a header.
fn named_by<'h>(header: &str, headers: &'h HeaderMap) -> Result<&'h str, Unauthenticated> {
    let value = headers.get(header).and_then(|value| value.to_str().ok());
    let name = value.filter(|name| !name.is_empty());
    name.ok_or_else(|| Unauthenticated {
        reason: "the header with the name of the actor is missing".into(),
        challenge: "Proxy",
    })
}
