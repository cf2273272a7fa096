use std::any::TypeId;

use super::{
    AppendError, BoxFuture, EventData, EventPage, EventQuery, EventType, HasWrites, Limits,
    LogTransaction, Position, ReadRange, StateKey, StoreError, StoredState, Transactional,
    Transactions,
};

/// The optional parts of the contract that a log offers.
///
/// [`Capabilities::default`] is a log with the required methods alone. If a log lacks a capability,
/// the framework works in another way, or `build` reports the part of the domain that needs it:
///
/// | without | the framework |
/// |---|---|
/// | `states` | folds from events; `build` refuses aggregates with `storage = "state"`, snapshots are not written |
/// | `pipelining` | lets a decision wait until the append of the one before it is answered |
/// | `several_boundaries` | brings all states of a decision to one position with another read; `build` refuses aggregates with `storage = "state"` |
/// | `contiguous` | nothing: it does not rely on positions without gaps |
/// | `ordered_times` | finds one of several positions for a time: reads as of a time may leave out events of that time or earlier, and include later ones |
/// | `fold_reads` | folds what [`EventLog::read`](super::EventLog::read) returns |
/// | `tail` | reads the events that this process has just appended, to follow them |
/// | `transactions` | reports handlers with `Tx<..>` when it builds |
/// | `writes` | reports handlers with `Writes<..>` when it builds |
/// | `type_counts` | does not notice events that nothing registers |
/// | `admission` | learns from the append that there is no room |
///
/// ```
/// use cqrs_core::store::Capabilities;
///
/// let capabilities = Capabilities::default().pipelining().contiguous();
/// assert!(capabilities.pipelining && capabilities.states.is_none());
/// ```
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for a promise of its own"
)]
pub struct Capabilities<'s> {
    /// States of aggregates, written with the events of an append.
    pub states: Option<&'s dyn StateStore>,
    /// An append may follow one in progress, by its [token](super::AppendToken). Otherwise, no
    /// append has a token.
    pub pipelining: bool,
    /// An append may have several boundaries, each with its own position. Otherwise, it has at most
    /// one.
    pub several_boundaries: bool,
    /// Positions are contiguous from 1.
    pub contiguous: bool,
    /// Recorded times never decrease along the log, even if several processes append with different
    /// clocks: the log raises a time that is earlier than the last recorded one.
    ///
    /// [`position_at`](super::EventLogExt::position_at), which bisects the log, and
    /// `.at_time(time)` of [`Dispatcher::state`](crate::Dispatcher::state) rely on it. Without it,
    /// an event of the time or earlier may be followed by a later one at several positions, and
    /// they use one of these.
    pub ordered_times: bool,
    /// Cheaper reads for folds.
    pub fold_reads: Option<&'s dyn FoldReads>,
    /// Events appended recently by this process, from memory.
    pub tail: Option<&'s dyn TailReads>,
    /// The events of types that the program does not have.
    pub type_counts: Option<&'s dyn TypeCounts>,
    /// Transactions for command handlers.
    pub(crate) transactions: Option<&'s dyn Transactions>,
    /// The store whose `Writes<..>` command handlers may take.
    pub(crate) writes: Option<TypeId>,
    /// Refuses decisions in advance while the queue is full.
    pub admission: Option<&'s dyn Admission>,
    /// Maximum sizes of appends.
    pub limits: Limits,
    /// This process can only read the log, and each append fails. Reactions do not run.
    pub read_only: bool,
}

impl<'s> Capabilities<'s> {
    /// Offers stored states.
    #[must_use]
    pub fn states(self, states: &'s dyn StateStore) -> Self {
        Self {
            states: Some(states),
            ..self
        }
    }

    /// Offers appends that follow one in progress.
    #[must_use]
    pub fn pipelining(self) -> Self {
        Self {
            pipelining: true,
            ..self
        }
    }

    /// Offers several boundaries per append.
    #[must_use]
    pub fn several_boundaries(self) -> Self {
        Self {
            several_boundaries: true,
            ..self
        }
    }

    /// Promises contiguous positions.
    #[must_use]
    pub fn contiguous(self) -> Self {
        Self {
            contiguous: true,
            ..self
        }
    }

    /// Promises that recorded times never decrease.
    #[must_use]
    pub fn ordered_times(self) -> Self {
        Self {
            ordered_times: true,
            ..self
        }
    }

    /// Offers cheaper reads for folds.
    #[must_use]
    pub fn fold_reads(self, fold_reads: &'s dyn FoldReads) -> Self {
        Self {
            fold_reads: Some(fold_reads),
            ..self
        }
    }

    /// Offers recent events from memory.
    #[must_use]
    pub fn tail(self, tail: &'s dyn TailReads) -> Self {
        Self {
            tail: Some(tail),
            ..self
        }
    }

    /// Offers counts of events by their type.
    #[must_use]
    pub fn type_counts(self, type_counts: &'s dyn TypeCounts) -> Self {
        Self {
            type_counts: Some(type_counts),
            ..self
        }
    }

    /// Offers transactions of this log for command handlers, which take them as `&mut Tx<S>`.
    #[must_use]
    pub fn transactions<S>(self, log: &'s S) -> Self
    where
        S: Transactional<Transaction: LogTransaction>,
    {
        Self {
            transactions: Some(log),
            ..self
        }
    }

    /// Takes transactions away: for a decorator, since their appends bypass it.
    #[must_use]
    pub fn without_transactions(self) -> Self {
        Self {
            transactions: None,
            ..self
        }
    }

    /// Offers to execute statements with appends, which command handlers record in `&mut Writes<S>`.
    #[must_use]
    pub fn writes<S: HasWrites>(self) -> Self {
        Self {
            writes: Some(TypeId::of::<S>()),
            ..self
        }
    }

    /// Takes that away: for a decorator that does not pass on [`Append::writes`](super::Append::writes).
    #[must_use]
    pub fn without_writes(self) -> Self {
        Self {
            writes: None,
            ..self
        }
    }

    /// Offers admission control.
    #[must_use]
    pub fn admission(self, admission: &'s dyn Admission) -> Self {
        Self {
            admission: Some(admission),
            ..self
        }
    }

    /// Sets the limits of appends.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets whether this process can only read the log.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }
}

/// A log that keeps states of aggregates: of those with `storage = "state"`, and snapshots.
///
/// Such a log writes [`Append::states`](super::Append::states) in the same step as the events, and
/// refuses the append with a conflict if a state has another position than
/// [`StateWrite::based_on`](super::StateWrite::based_on).
pub trait StateStore: Send + Sync {
    /// The stored states of these aggregates, in the order of the keys. `None` for an aggregate
    /// without a stored state.
    ///
    /// # Errors
    /// [`StoreError`].
    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>>;
}

/// A log with cheaper reads for folds, which need no metadata.
pub trait FoldReads: Send + Sync {
    /// As [`EventLog::read`](super::EventLog::read), with two differences: an event may lack tags
    /// that the query does not name, and a page with an [`EventPage::next`] may be shorter than the
    /// limit, or empty.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage<(Position, EventData)>, StoreError>>;
}

/// A log that has its recent events in memory, such as in a `TailCache` of the crate
/// `wired-cqrs-kit`.
pub trait TailReads: Send + Sync {
    /// At most `limit` matching events after `after` from memory: as
    /// [`EventLog::read`](super::EventLog::read), except that `as_of` is this process's view of the
    /// head. Every matching event in `(after, as_of]`, up to the page's end, is in the page, each
    /// is durable (I7), and `as_of` is beyond `after`.
    ///
    /// `None` if not all events after `after` are in memory, or if there are none. Used to follow
    /// the log, not for decisions, which need the events of other processes, too.
    fn tail(&self, query: &EventQuery, after: Position, limit: usize) -> Option<EventPage>;
}

/// A log that counts its events by their type, without reading those of the types that the program has.
pub trait TypeCounts: Send + Sync {
    /// The other types than these, in order, each with its number of events, counted up to `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn other_types(
        &self,
        known: Vec<&'static str>,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<(EventType, u64)>, StoreError>>;
}

/// A log with a bounded queue.
pub trait Admission: Send + Sync {
    /// Refuses if [`append`](super::EventLog::append) would refuse now for lack of room. The
    /// dispatcher asks before it folds the events of a decision, since a refused append makes the
    /// folded states useless. This is a hint; `append` has the final say.
    ///
    /// # Errors
    /// [`AppendError::Overloaded`].
    fn admit(&self) -> Result<(), AppendError>;
}
