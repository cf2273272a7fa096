#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as cqrs_core;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod auth;
mod clock;
mod decision;
pub mod dispatcher;
pub mod error;
mod handler;
mod ids;
mod json;
mod key;
mod message;
mod module;
mod panic;
pub mod prelude;
mod registry;
mod report;
mod running;
mod source;
pub mod store;
mod subscription;
pub mod testing;
mod trace;
pub mod views;
pub mod wiring;

pub use cqrs_macros::{
    Command, Event, Query, ReadModel, aggregate, command_handler, event_handler, projection,
    query_handler,
};
pub use jiff::Timestamp;
pub use uuid::Uuid;

pub use auth::{Action, Actor, AllowAll, Authorizer, HeldPermissions, Request};
pub use dispatcher::{Dispatcher, Receipt, Session};
pub use error::{CommandError, Error, QueryError, Rejected, Result};
pub use handler::{Context, Each, ReadTx, Res, Tx};
pub use ids::{CommandId, EventId};
pub use message::{Aggregate, Command, Event, Query, Storage, Validate};
pub use module::Module;
pub use store::{Memory, Position, Recorded};
pub use views::{Read, ReadModel, Views};
