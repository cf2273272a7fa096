//! The contract between the framework and the stores of its data.
//!
//! An [`EventLog`] keeps events, the ids of processed commands and, with some [`Capabilities`],
//! more. A [`ViewStore`] keeps read models and the checkpoints of subscriptions. A [`Store`] is
//! both. The crate `wired-cqrs-conformance` checks that they keep the promises, I1 to I12 and V1 to
//! V4, that the documentation of the methods names.

mod append;
mod append_token;
mod blueprint;
mod boundary;
mod capabilities;
mod checkpoint;
pub(crate) mod command_time;
pub(crate) mod conflict_window;
mod custom_metadata;
pub(crate) mod decider;
mod division;
mod error;
mod event_log;
mod event_query;
mod event_type;
mod events;
mod halt;
mod heads;
mod incarnation;
mod limits;
mod memory;
mod page;
mod parked;
mod position;
mod read_ahead;
mod recorded;
mod recorded_filter;
mod replacement;
mod shard_table;
mod shards;
pub(crate) mod shared_reads;
mod slices;
mod sort_key;
mod state;
pub(crate) mod subscription;
mod tag;
mod tag_chains;
mod tag_slices;
mod transaction;
mod versions;
mod view_store;
mod writes;

use std::future::Future;
use std::pin::Pin;

pub use append::{Append, Appended, StoredCommand};
pub use append_token::AppendToken;
pub use blueprint::{Blueprint, Fingerprint};
pub use boundary::Boundary;
pub use capabilities::{Admission, Capabilities, FoldReads, StateStore, TailReads, TypeCounts};
pub use checkpoint::{Checkpoint, LastEvent};
pub use custom_metadata::CustomMetadata;
pub use division::{Ahead, Division};
pub use error::{AppendError, StoreError};
pub use event_log::{EventLog, EventLogExt};
pub use event_query::{EventQuery, EventQueryItem};
pub use event_type::EventType;
pub use events::Events;
pub use halt::{Halt, HaltKind, Relocation, SkippedEvent};
pub(crate) use heads::HeadWatch;
pub use heads::Heads;
pub use incarnation::Incarnation;
pub use limits::Limits;
pub use memory::Memory;
pub(crate) use page::check_seen;
pub use page::{EventPage, ReadRange};
pub use parked::{KeyRelease, ParkedChange, ParkedKey};
pub use position::Position;
pub use recorded::{EventData, Metadata, Recorded};
pub(crate) use recorded_filter::RecordedFilter;
pub use replacement::{Replacement, ReplacementOutcome};
pub use shards::{Attendance, Claim, Epoch, Roster, Shard, ShardState, ShardStore, WorkerId};
pub use slices::Slices;
pub use sort_key::SortKey;
pub use state::{StateKey, StateWrite, StoredState};
pub use tag::{Tag, Tags};
pub(crate) use tag_slices::TagSlices;
pub(crate) use transaction::{
    ErasedLogTx, ErasedTx, ErasedViewTx, ReaderSource, Transactions, ViewTransactions,
};
pub use transaction::{HasReader, LogTransaction, Transactional, ViewTransaction};
pub use versions::{ProjectionVersion, VersionChange, VersionRemoval, VersionStep, VersionStore};
pub use view_store::{
    CommitMode, IndexRange, ModelSchema, StoredView, ViewBatch, ViewCapabilities, ViewChange,
    ViewCommitError, ViewPage, ViewPlace, ViewScan, ViewStore,
};
pub use writes::{AppendWrites, HasWrites, RecordedWrites};

/// A boxed future, as the methods of store traits return them.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event log and a view store in one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not both an event log and a view store",
    label = "lacks `EventLog` or `ViewStore`",
    note = "give an event log to the builder with `.log(..)`, and a view store with `.views(..)`; \
            `.store(..)` is for one that is both: `Memory`, `Sqlite` or `Postgres`"
)]
pub trait Store: EventLog + ViewStore {}

#[diagnostic::do_not_recommend]
impl<S: EventLog + ViewStore> Store for S {}
