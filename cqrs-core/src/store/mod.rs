//! The contract between the framework and what keeps its data.
//!
//! A store keeps one log of events, the ids of processed commands, the states of aggregates with
//! `storage = "state"`, and read models with their checkpoints. [`EventStore`] and [`ViewStore`]
//! are what it implements; the crate `cqrs_conformance` is the suite that shows it keeps the
//! promises, I1 to I11, that the methods' documentation names.

mod append;
mod append_token;
mod boundary;
mod conflict_window;
mod decider;
mod error;
mod event_query;
mod event_type;
mod incarnation;
mod limits;
mod memory;
mod position;
mod read_ahead;
mod recorded;
mod sort_key;
mod state;
mod subscription;
mod tag;
mod tail_cache;
mod transaction;
mod view_store;

use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;
use uuid::Uuid;

use crate::CommandId;

pub use append::{Append, Appended, StoredCommand};
pub use append_token::{AppendToken, CompletedAppends};
pub use boundary::Boundary;
pub use conflict_window::{BoundaryCheck, ConflictWindow};
pub use decider::{Decider, Question};
pub use error::{AppendError, StoreError};
pub use event_query::{EventQuery, EventQueryItem};
pub use event_type::EventType;
pub use incarnation::Incarnation;
pub use limits::Limits;
pub use memory::Memory;
pub use position::Position;
pub use recorded::{EventData, Metadata, Recorded};
pub use sort_key::SortKey;
pub use state::{StateKey, StateWrite, StoredState};
pub use subscription::{Events, Subscription};
pub use tag::{Tag, Tags};
pub use tail_cache::TailCache;
pub use transaction::{
    ErasedLogTx, ErasedTx, ErasedViewTx, HasReader, LogTransaction, Readers, Transaction,
    Transactional, Transactions, ViewTransaction, ViewTransactions,
};
pub use view_store::{
    IndexRange, ModelSchema, ViewBatch, ViewCapabilities, ViewChange, ViewCommitError, ViewPage,
    ViewRow, ViewScan, ViewStore,
};

/// A boxed future, as the methods of store traits return them.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The log of events, the ids of processed commands, and stored states.
pub trait EventStore: Send + Sync + 'static {
    /// Appends the events of one command, all or nothing (I1), at the next contiguous positions
    /// (I3), and answers only when they are durable (I7).
    ///
    /// A command id that was processed before answers with the first positions and
    /// [`Appended::replayed`], or with [`AppendError::CommandMismatch`] when its fingerprint
    /// differs (I6). The boundaries and the states' `based_on` are checked in the same step as the
    /// append (I2); a conflict is reported only when an event or a state past them exists, or when
    /// an append that a boundary follows is not there (I10).
    /// An append that fails harms no other (I11). Dropping the future leaves the append either
    /// done or not done.
    ///
    /// An append may have no events: its command id is recorded all the same, and its positions
    /// are the head.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Refuses, with [`AppendError::Overloaded`], if [`append`](Self::append) would refuse for lack of
    /// room. The dispatcher asks before it folds a decision's events, because states that have been
    /// folded ahead are of no use when the append is refused: the next decision would read them from
    /// the log again. A hint, which holds for this moment; `append` has the final say. Defaults to
    /// `Ok(())`.
    ///
    /// # Errors
    /// [`AppendError::Overloaded`].
    fn admit(&self) -> Result<(), AppendError> {
        Ok(())
    }

    /// Reads matching events in position order. `as_of` in the answer is the head that the read
    /// saw: every matching event in `(after, as_of]`, up to the page's end, is in it (I5).
    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// As [`read`](Self::read), for a fold that takes events and not `&Recorded`: of what an event
    /// has, only its position, type, version, payload and those of its tags that the query names
    /// need be there, and a page may be shorter than the limit, or empty, though it has a
    /// [`Page::next`].
    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.read(query, range)
    }

    /// The position of the last event, 0 for an empty log.
    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>>;

    /// The last position whose event was recorded at or before `time`. Recorded times never
    /// decrease along the log.
    fn position_at(&self, time: crate::Timestamp) -> BoxFuture<'_, Result<Position, StoreError>>;

    /// What is recorded of a command id.
    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>>;

    /// The stored states of these aggregates, `None` where there is none, in the order asked.
    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>>;

    /// Tells when this process learns of new events; the value is the last known head. Appends of
    /// other processes may show up only on a [`head`](EventStore::head) call, so a waiter polls
    /// as well.
    fn watch(&self) -> watch::Receiver<Position>;

    /// What this process has appended of late, if the store has it in memory: what
    /// [`read`](EventStore::read) would answer, except that `as_of` is not the log's head but what
    /// this process knows of it. Every matching event in `(after, as_of]`, up to the page's end, is
    /// in it, each is durable (I7), and `as_of` is beyond `after`.
    ///
    /// `None` when the store does not have all that follows `after`, or knows of nothing there:
    /// ask with `read`. For those who follow the log, not for decisions, which need what others
    /// have appended.
    fn recent(&self, query: &EventQuery, after: Position, limit: usize) -> Option<Page> {
        let _ = (query, after, limit);
        None
    }

    /// The transactions that handlers may work in, for a store that has some: it implements
    /// [`Transactional`], and this as `Some(self)`.
    fn transactions(&self) -> Option<&dyn Transactions> {
        None
    }

    /// The log that this store has found most recently. A store that can tell that its log was
    /// replaced refuses appends and view batches of earlier incarnations.
    fn incarnation(&self) -> Incarnation {
        Incarnation::default()
    }

    /// The largest append that the store takes.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Whether this process can only read the store: each append and each commit of views is
    /// answered with an error. Then no projection and no reaction runs. Defaults to `false`.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Identifies the log. A copy restored from a backup keeps it; two logs never share it.
    fn store_id(&self) -> Uuid;
}

/// Raises the head that a store has told of, never lowers it; see [`EventStore::watch`].
pub fn announce(known: &watch::Sender<Position>, head: Position) {
    known.send_if_modified(|at| {
        let later = head > *at;
        *at = head.max(*at);
        // Whoever watches from now on sees the new head anyway.
        later && known.receiver_count() > 0
    });
}

/// A shared log is a log.
#[deny(clippy::missing_trait_methods)]
impl<T: EventStore + ?Sized> EventStore for std::sync::Arc<T> {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        (**self).append(append)
    }

    fn admit(&self) -> Result<(), AppendError> {
        (**self).admit()
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        (**self).read(query, range)
    }

    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        (**self).read_to_fold(query, range)
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        (**self).head()
    }

    fn position_at(&self, time: crate::Timestamp) -> BoxFuture<'_, Result<Position, StoreError>> {
        (**self).position_at(time)
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        (**self).command(id)
    }

    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        (**self).states(keys)
    }

    fn watch(&self) -> watch::Receiver<Position> {
        (**self).watch()
    }

    fn recent(&self, query: &EventQuery, after: Position, limit: usize) -> Option<Page> {
        (**self).recent(query, after, limit)
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        (**self).transactions()
    }

    fn incarnation(&self) -> Incarnation {
        (**self).incarnation()
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }

    fn is_read_only(&self) -> bool {
        (**self).is_read_only()
    }

    fn store_id(&self) -> Uuid {
        (**self).store_id()
    }
}

/// Everything a dispatcher keeps its data in.
pub trait Store: EventStore + ViewStore {}

impl<S: EventStore + ViewStore> Store for S {}

/// Which part of the log to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRange {
    /// Only events after this position.
    pub after: Position,
    /// Only events up to this position; `None` for the head at the time of the read.
    pub up_to: Option<Position>,
    /// At most this many events; more are read with `after` set to [`Page::next`]. 0 counts as 1.
    pub limit: usize,
    /// The page ends with the event that takes its [`Recorded::size`]s to this many bytes, so it
    /// exceeds them by one event at most, and has an event whatever its size. A store may end a page
    /// of large events earlier; [`Page::next`] says so.
    pub bytes: usize,
}

impl ReadRange {
    /// Page size of reads that want everything.
    pub const PAGE: usize = 2048;

    /// Bytes of a page of such reads: 8 MiB.
    pub const PAGE_BYTES: usize = 8 << 20;

    /// Everything after `after`, a page of [`ReadRange::PAGE`] events and
    /// [`ReadRange::PAGE_BYTES`] bytes at a time.
    pub fn after(after: Position) -> Self {
        Self {
            after,
            up_to: None,
            limit: Self::PAGE,
            bytes: Self::PAGE_BYTES,
        }
    }

    /// The room of a page that a store fills.
    pub fn room(&self) -> Room {
        Room {
            events: self.limit.max(1),
            bytes: self.bytes.max(1),
        }
    }
}

/// What still fits into a page. A store takes events into it one by one, and reads none in vain.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    events: usize,
    bytes: usize,
}

impl Room {
    /// Whether the page has no room for another event.
    pub fn is_full(&self) -> bool {
        self.events == 0 || self.bytes == 0
    }

    /// Takes an event into the page.
    pub fn take(&mut self, event: &Recorded) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(event.size());
    }
}

/// A page of events.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events, in position order.
    pub events: Vec<std::sync::Arc<Recorded>>,
    /// The head that this read saw, or `up_to` when that was lower.
    pub as_of: Position,
    /// Where to read on, when a bound of the range cut the page short: pass it as `after`, with `up_to` set
    /// to `as_of` to stay in the same snapshot.
    pub next: Option<Position>,
}
