//! What expansions name. Not for users: it changes without notice.

pub use std::boxed::Box;
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
pub use std::vec;
pub use std::vec::Vec;

pub use crate::error::{CommandError, Error, Invalid, Rejected};
pub use crate::handler::*;
pub use crate::key::key;
pub use crate::message::*;
pub use crate::registry::{
    AggregateEntry, CommandHandlerEntry, EventEntry, MessageEntry, ProjectionEntry,
    QueryHandlerEntry, ReactionEntry, submit,
};
pub use crate::store::{Recorded, Tags};
pub use crate::views::{Index, Indexed, ReadModel, SortKey};

/// A stored state with the fingerprint of the `impl` block that folded it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored<A> {
    fingerprint: u64,
    state: A,
}

/// [`Aggregate::save`](crate::message::Aggregate::save) for `storage = "state"`.
pub fn save<A: serde::Serialize>(state: &A, fingerprint: u64) -> Result<Option<Vec<u8>>, Error> {
    Ok(Some(serde_json::to_vec(&Stored { fingerprint, state })?))
}

/// [`Aggregate::restore`](crate::message::Aggregate::restore) for `storage = "state"`: nothing, if
/// the `impl` block has changed since, or the type does not fit.
pub fn restore<A: serde::de::DeserializeOwned>(body: &[u8], fingerprint: u64) -> Option<A> {
    let stored: Stored<A> = serde_json::from_slice(body).ok()?;
    (stored.fingerprint == fingerprint).then_some(stored.state)
}
