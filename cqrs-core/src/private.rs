//! The names that expansions use. Not public API: they change without notice.

pub use std::assert;
pub use std::boxed::Box;
pub use std::cfg;
pub use std::clone::Clone;
pub use std::concat;
pub use std::default::Default;
pub use std::file;
pub use std::iter::IntoIterator;
pub use std::line;
pub use std::module_path;
pub use std::ops::FnOnce;
pub use std::option::Option::{self, None, Some};
pub use std::primitive::{bool, str, u8, u32, u64, usize};
pub use std::result::Result::{self, Err, Ok};
pub use std::time::Duration;
pub use std::vec;
pub use std::vec::Vec;

pub use serde_json::Value;

pub use crate::error::{CommandError, Error, Invalid, Rejected};
pub use crate::handler::*;
pub use crate::json::Json;
pub use crate::key::{conditional_fingerprint, key};
pub use crate::message::*;
pub use crate::registry::{
    AggregateEntry, EventEntry, HandlerEntry, MessageEntry, ProcessEntry, ProjectionEntry,
    ReactionEntry, UpcasterEntry, submit,
};
pub use crate::report::report;
pub use crate::store::{Recorded, Tag, Tags};
pub use crate::views::{Index, Indexed, ReadModel, SortKey};
