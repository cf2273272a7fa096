//! The names that domain code needs: `use cqrs_core::prelude::*;`.

pub use crate::error::Invalid;
pub use crate::{
    Actor, AllowAll, Bookmark, Cancel, Command, CommandError, CommandId, Context, Deadline,
    Dispatcher, Each, End, Error, Event, Memory, Position, Query, QueryError, Read, ReadModel,
    ReadTx, Reader, Receipt, Recorded, Rejected, Reschedule, Result, ScheduleId, Service,
    Timestamp, Tx, Validate, Views, Writes, aggregate, command_handler, ensure, event_handler,
    process_manager, projection, query_handler, upcast,
};
pub use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
pub use schemars::JsonSchema;
