#![doc = include_str!("../README.md")]
//!
//! [`router`] has the limits and permissions that most programs want; [`Options`] sets them, and maps a request to the actor
//! who sends it.

mod aggregates;
mod assets;
mod change;
mod confirm;
mod desk;
mod difference;
mod event;
mod events;
mod fields;
mod figures;
mod frame;
mod jobs;
mod layout;
mod map;
mod messages;
mod options;
mod origin;
mod overview;
mod processes;
mod rates;
mod refusal;
mod subscription;
mod table;
mod visit;
mod words;

pub use options::Options;

use cqrs_core::Dispatcher;

/// The pages of a dispatcher, with the default [`Options`]: without actors, so that only an authorizer that admits everybody,
/// such as [`AllowAll`](cqrs_core::app::AllowAll), lets anybody in.
pub fn router(dispatcher: Dispatcher) -> axum::Router {
    Options::new().router(dispatcher)
}
