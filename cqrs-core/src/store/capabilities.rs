use super::{
    AppendError, BoxFuture, EventData, EventPage, EventQuery, Limits, Position, ReadRange,
    StateKey, StoreError, StoredState, Transactions,
};

/// The optional parts of the contract that a log offers.
///
/// [`Capabilities::default`] is a log with the required methods alone. What a log lacks, the
/// framework does in another way, or `build` reports which part of the domain needs it:
///
/// | without | the framework |
/// |---|---|
/// | `states` | folds from events; `build` refuses aggregates with `storage = "state"`, snapshots are not written |
/// | `pipelining` | lets a decision wait until the append of the one before it is answered |
/// | `several_boundaries` | reads on what a decision loaded, so that all of it is as of one position; `build` refuses aggregates with `storage = "state"` |
/// | `contiguous` | nothing: it does not rely on positions without gaps |
/// | `ordered_times` | finds one of several positions for a time: reads as of a time may leave out events of that time or earlier, and include later ones |
/// | `fold_reads` | folds what [`EventLog::read`](super::EventLog::read) returns |
/// | `tail` | reads back what this process has just appended, to follow it |
/// | `transactions` | reports handlers with `Tx<..>` when it builds |
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
    reason = "each says of one promise whether it is made"
)]
pub struct Capabilities<'s> {
    /// States of aggregates, written with the events of an append.
    pub states: Option<&'s dyn StateStore>,
    /// Appends may follow one that is under way, by its [token](super::AppendToken). Without, no
    /// append has a token.
    pub pipelining: bool,
    /// An append may have several boundaries, each with a position of its own. Without, it has one
    /// at most.
    pub several_boundaries: bool,
    /// Positions are contiguous from 1.
    pub contiguous: bool,
    /// Recorded times never decrease along the log, also when several processes append with clocks
    /// that differ: the log raises a time that is earlier than the last recorded one.
    ///
    /// [`position_at`](super::EventLogExt::position_at), which bisects the log, and `.as_of(time)` of
    /// [`Dispatcher::state`](crate::Dispatcher::state) rely on it. Without, there may be several
    /// positions where an event of the time or earlier is followed by a later one, and they use one
    /// of them.
    pub ordered_times: bool,
    /// Cheaper reads for folds.
    pub fold_reads: Option<&'s dyn FoldReads>,
    /// What this process has appended lately, from memory.
    pub tail: Option<&'s dyn TailReads>,
    /// Transactions that command handlers may work in.
    pub transactions: Option<&'s dyn Transactions>,
    /// Tells in advance that there is no room for an append.
    pub admission: Option<&'s dyn Admission>,
    /// The largest append that the log takes.
    pub limits: Limits,
    /// This process can only read the log: each append is answered with an error. Then no reaction
    /// runs.
    pub read_only: bool,
}

impl<'s> Capabilities<'s> {
    /// With stored states.
    #[must_use]
    pub fn states(self, states: &'s dyn StateStore) -> Self {
        Self {
            states: Some(states),
            ..self
        }
    }

    /// With appends that follow one under way.
    #[must_use]
    pub fn pipelining(self) -> Self {
        Self {
            pipelining: true,
            ..self
        }
    }

    /// With several boundaries per append.
    #[must_use]
    pub fn several_boundaries(self) -> Self {
        Self {
            several_boundaries: true,
            ..self
        }
    }

    /// With contiguous positions.
    #[must_use]
    pub fn contiguous(self) -> Self {
        Self {
            contiguous: true,
            ..self
        }
    }

    /// With recorded times that never decrease.
    #[must_use]
    pub fn ordered_times(self) -> Self {
        Self {
            ordered_times: true,
            ..self
        }
    }

    /// With reads for folds.
    #[must_use]
    pub fn fold_reads(self, fold_reads: &'s dyn FoldReads) -> Self {
        Self {
            fold_reads: Some(fold_reads),
            ..self
        }
    }

    /// With recent events in memory.
    #[must_use]
    pub fn tail(self, tail: &'s dyn TailReads) -> Self {
        Self {
            tail: Some(tail),
            ..self
        }
    }

    /// With transactions for handlers.
    #[must_use]
    pub fn transactions(self, transactions: &'s dyn Transactions) -> Self {
        Self {
            transactions: Some(transactions),
            ..self
        }
    }

    /// With admission.
    #[must_use]
    pub fn admission(self, admission: &'s dyn Admission) -> Self {
        Self {
            admission: Some(admission),
            ..self
        }
    }

    /// With these limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// For reading only, if `read_only`.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }
}

/// A log that keeps states of aggregates: those with `storage = "state"`, and snapshots.
///
/// Such a log writes [`Append::states`](super::Append::states) in the same step as the events, and
/// refuses the append with a conflict if a state has another position than
/// [`StateWrite::based_on`](super::StateWrite::based_on).
pub trait StateStore: Send + Sync {
    /// The stored states of these aggregates, `None` where there is none, in the order asked.
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
    /// As [`EventLog::read`](super::EventLog::read), with these differences: of an event's tags only
    /// those that the query names have to be there, and a page may be shorter than the limit, or
    /// empty, though it has a [`EventPage::next`].
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
    /// head. Every matching event in `(after, as_of]`, up to the page's end, is in the page, each is
    /// durable (I7), and `as_of` is beyond `after`.
    ///
    /// `None` if not all events after `after` are in memory, or if none is known. Used to follow the
    /// log, not for decisions, which need what other processes have appended.
    fn tail(&self, query: &EventQuery, after: Position, limit: usize) -> Option<EventPage>;
}

/// A log with a bounded queue.
pub trait Admission: Send + Sync {
    /// Refuses if [`append`](super::EventLog::append) would refuse now for lack of room. The
    /// dispatcher asks before it folds the events of a decision: states that have been folded ahead
    /// are of no use when the append is refused. A hint: `append` has the final say.
    ///
    /// # Errors
    /// [`AppendError::Overloaded`].
    fn admit(&self) -> Result<(), AppendError>;
}
