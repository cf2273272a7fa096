use std::path::PathBuf;

use axum::http::HeaderMap;
use cqrs_core::Actor;
use cqrs_core::app::Builder;
use cqrs_http::jwt::Roles;
use cqrs_http::{Options, Unauthenticated};

use crate::args::ServeArgs;
use crate::call::Call;
use crate::error::CliError;
use crate::settings::Settings;
use crate::tokens::TokenOptions;
use crate::user_role::UserRole;

/// Who sends requests, and what they may do: by the arguments, and where these say nothing, by the settings.
pub(crate) struct Senders {
    /// The header that has the name of the actor.
    header: Option<String>,
    tokens: Option<TokenOptions>,
    /// The file that has the permissions of each role.
    roles: Option<PathBuf>,
}

impl Senders {
    pub(crate) fn new(given: &ServeArgs, set: &Settings) -> Result<Self, CliError> {
        let header = given.actor_header.as_ref().or(set.actor_header.as_ref());
        let tokens = TokenOptions::new(&given.tokens, set)?;
        if tokens.is_some() && header.is_some() {
            return Err(CliError::Invalid(
                "senders are known by `--actor-header` or by `--token-audience`, not by both"
                    .to_owned(),
            ));
        }
        let roles = given.tokens.role_permissions.as_ref();
        Ok(Self {
            header: header.cloned(),
            tokens,
            roles: roles.or(set.role_permissions.as_ref()).cloned(),
        })
    }

    /// The builder with the authorizer of the file of roles, if there is one.
    pub(crate) fn authorize(&self, builder: Builder) -> Result<Builder, CliError> {
        let Some(file) = &self.roles else {
            return Ok(builder);
        };
        let roles = Roles::file(file).map_err(|error| CliError::Invalid(error.to_string()))?;
        Ok(builder.authorizer(roles))
    }

    /// The options with the function that finds the sender of a request. `roles` are those of the program.
    pub(crate) fn find(
        &self,
        options: Options,
        call: &Call,
        roles: &[UserRole],
    ) -> Result<Options, CliError> {
        // With a file of roles, that alone decides.
        let decides = self.roles.is_some();
        if let Some(tokens) = &self.tokens {
            let tokens = tokens.tokens(if decides { &[] } else { roles })?;
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
        Ok(match self.header.clone() {
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

    /// The description of what is served, with the need for a token.
    pub(crate) fn document(&self, about: cqrs_openapi::Options) -> cqrs_openapi::Options {
        if self.tokens.is_some() {
            return about.bearer();
        }
        about
    }
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
