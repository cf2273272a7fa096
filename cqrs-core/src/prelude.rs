//! The names that domain code needs: `use cqrs_core::prelude::*;`.

pub use crate::error::Invalid;
pub use crate::{
    Actor, AllowAll, Bookmark, Command, CommandError, CommandId, Context, Dispatcher, Each, Error,
    Event, Memory, Position, Query, QueryError, Read, ReadModel, ReadTx, Reader, Receipt, Recorded,
    Rejected, Result, Service, Timestamp, Tx, Validate, Views, Writes, aggregate, command_handler,
    ensure, event_handler, projection, query_handler, upcast,
};
pub use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
pub use schemars::JsonSchema;
