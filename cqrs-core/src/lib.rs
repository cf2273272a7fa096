#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as cqrs_core;

#[doc(hidden)]
#[path = "kit.rs"]
pub mod __kit;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod app;
mod auth;
mod clock;
mod decision;
mod dispatcher;
pub mod domain;
pub mod error;
// The guides need the adapters, which need this crate: `tests/lib.rs` runs their examples.
#[cfg(all(doc, not(doctest)))]
pub mod guides;
mod handler;
mod ids;
mod json;
mod key;
mod message;
mod model;
mod module;
mod panic;
pub mod prelude;
mod registry;
mod report;
mod running;
mod scratch;
mod source;
pub mod store;
mod subscription;
pub mod testing;
mod trace;
mod trace_context;
mod upcast;
pub mod views;
mod wiring;

pub use cqrs_macros::{
    Command, Event, Query, ReadModel, aggregate, command_handler, event_handler, process_manager,
    projection, query_handler, upcast,
};
pub use jiff::Timestamp;
pub use uuid::Uuid;

#[doc(inline)]
pub use {
    app::{
        Actor, AllowAll, Authorizer, Bookmark, Dispatcher, HeldPermissions, Module, Receipt,
        Session,
    },
    domain::{
        Aggregate, Cancel, Command, CommandId, Context, Deadline, Each, End, Event, EventId, Query,
        ReadTx, Reader, Reschedule, ScheduleId, Service, Tx, Validate, Writes,
    },
    error::{CommandError, Error, QueryError, Rejected, Result},
    store::{Memory, Position, Recorded},
    views::{Read, ReadModel, Views},
};
