use axum::http::HeaderMap;
use cqrs_core::Actor;
use cqrs_core::app::Builder;
use cqrs_http::jwt::Roles;
use cqrs_http::{Options, Unauthenticated};

use crate::args::ServeArgs;
use crate::call::Call;
use crate::error::CliError;
use crate::tokens::tokens;
use crate::user_role::UserRole;

/// The options with the function that finds the sender of a request. `roles` are those of the program.
pub(crate) fn find_senders(
    arguments: &ServeArgs,
    options: Options,
    call: &Call,
    roles: &[UserRole],
) -> Result<Options, CliError> {
    // With a file of roles, that alone decides.
    let decides = arguments.role_permissions.is_some();
    let header = arguments.actor_header.clone();
    if let Some(tokens) = tokens(arguments, if decides { &[] } else { roles })? {
        if header.is_some() {
            return Err(CliError::Invalid(
                "senders are known by `--actor-header` or by `--token-audience`, not by both"
                    .to_owned(),
            ));
        }
        return Ok(options.bearer(tokens));
    }
    let permissions = if decides {
        Vec::new()
    } else {
        call.permissions()
    };
    let sender = move |name: &str| {
        permissions
            .iter()
            .cloned()
            .fold(Actor::new(name), Actor::with)
    };
    Ok(match header {
        None => {
            let actor = sender(&call.actor);
            options.actor(move |_| Ok(Some(actor.clone())))
        }
        Some(header) => options.actor(move |head| {
            let name = named_by(&header, &head.headers)?;
            Ok(Some(sender(name)))
        }),
    })
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
