//! Who sends a request, by a bearer token that is a JWT, and what its roles may do, by a file.
//!
//! ```no_run
//! use cqrs_core::prelude::*;
//! use cqrs_http::Options;
//! use cqrs_http::jwt::{BearerTokens, Roles, SetupError};
//!
//! fn builder(domain: Module) -> Result<app::Builder, SetupError> {
//!     let roles = Roles::file("/etc/shop/roles.toml")?;
//!     Ok(Dispatcher::builder().module(domain).authorizer(roles))
//! }
//!
//! fn api(shop: Dispatcher) -> Result<axum::Router, SetupError> {
//!     let tokens = BearerTokens::new("shop").issuer("https://id.example.com");
//!     let tokens = tokens.jwks_file("/etc/shop/jwks.json")?;
//!     Ok(Options::new().bearer(tokens).router(shop))
//! }
//! # use cqrs_core::app::{self, Module};
//! ```

mod key_set;
mod key_source;
mod refusal;
#[cfg(feature = "jwks-url")]
mod remote_keys;
mod role;
mod roles;
mod setup_error;
mod tokens;
mod watched_file;

pub use roles::Roles;
pub use setup_error::SetupError;
pub use tokens::BearerTokens;
