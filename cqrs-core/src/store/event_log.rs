use std::sync::Arc;

use super::{
    Append, AppendError, Appended, BoxFuture, Capabilities, EventPage, EventQuery, Events, Heads,
    Position, ReadRange, StoreError, StoredCommand,
};
use crate::{CommandId, Timestamp};

/// An append-only log of events and the ids of processed commands.
///
/// Four methods are required. Everything else that the framework can use is a
/// [capability](Capabilities), which a log may lack. The promises I1 to I11 are checked by the
/// crate `wired-cqrs-conformance`.
///
/// # Implementing a log
///
/// - **Positions** increase in the order in which events become visible: no event ever appears
///   below a position that a read has reported as its `as_of` (I4, I5). They may have gaps, unless
///   the log says that it is [contiguous](Capabilities::contiguous).
/// - **Boundaries** are checked in the same atomic step as the append (I2). A store with a single
///   condition per append, one query and one position, can take one boundary. Unless a log sets
///   [`several_boundaries`](Capabilities::several_boundaries), the framework brings all states of a
///   decision to one position before the append, so that [`Append::boundaries`] has at most one
///   element.
/// - **Command ids** may be recorded in a table, in a tag, or in ids of events that are derived from
///   the command's id ([`EventId::of`](crate::EventId::of)), as long as a second append under one id
///   finds the first.
/// - **Limits** are checked by the dispatcher before it appends, against
///   [`Capabilities::limits`].
/// - **Heads**: own a [`Heads`] with the stored id of the log ([`Heads::of_log`]), advance it after
///   each append and after each read, and return it from [`heads`](Self::heads).
/// - **Blocking** work belongs on another thread: the methods return futures of an async runtime.
///
/// # Decorating a log
///
/// A decorator that does not override [`capabilities`](Self::capabilities) takes all capabilities
/// of the inner log away, and nothing fails to compile. Put
/// `#[deny(clippy::missing_trait_methods)]` on the `impl`:
///
/// ```
/// use cqrs_core::CommandId;
/// use cqrs_core::store::{
///     Append, AppendError, Appended, BoxFuture, Capabilities, EventLog, EventQuery, Heads, EventPage,
///     ReadRange, StoreError, StoredCommand,
/// };
///
/// /// Prints appends.
/// struct Printed<L>(L);
///
/// #[deny(clippy::missing_trait_methods)]
/// impl<L: EventLog> EventLog for Printed<L> {
///     fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
///         println!("{} appends {} events", append.command, append.events.len());
///         self.0.append(append)
///     }
///
///     fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<EventPage, StoreError>> {
///         self.0.read(query, range)
///     }
///
///     fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
///         self.0.command(id)
///     }
///
///     fn heads(&self) -> &Heads {
///         self.0.heads()
///     }
///
///     fn capabilities(&self) -> Capabilities<'_> {
///         self.0.capabilities()
///     }
/// }
/// ```
pub trait EventLog: Send + Sync + 'static {
    /// Appends the events of one command, all or nothing (I1), after all events of the log (I3),
    /// and returns only when they are durable (I7).
    ///
    /// For the id of a recorded command, it returns the first positions with
    /// [`Appended::replayed`], or [`AppendError::CommandMismatch`] if the fingerprint differs (I6).
    /// The boundaries and the states' `based_on` are checked in the same step as the append (I2). A
    /// conflict is reported only if an event or a state past them exists, or if an append that a
    /// boundary follows was not recorded (I10). An append that fails harms no other (I11). Dropping
    /// the future leaves the append either done or not done.
    ///
    /// An append may have no events: its command id is still recorded, and its positions are the
    /// head. A log that cannot record an id without an event may take a position for it, with an
    /// event that no query of types matches.
    ///
    /// # Errors
    /// [`AppendError`].
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Reads matching events in position order. [`EventPage::as_of`] is the head that the read saw:
    /// every matching event in `(after, as_of]`, up to the page's end, is in the page (I5).
    ///
    /// A query that matches nothing, [`EventQuery::NONE`], asks for the head alone and should be
    /// cheap.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>>;

    /// The record of a command id, if the command was processed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>>;

    /// The end of the log, as far as this process knows. Appends of other processes may show only
    /// with the next read, so subscriptions also poll.
    fn heads(&self) -> &Heads;

    /// The optional parts of the contract that this log offers, the same in every call. Defaults to
    /// none, with the default [`Limits`](super::Limits).
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::default()
    }
}

/// Forwards to the shared log.
#[deny(clippy::missing_trait_methods)]
impl<L: EventLog + ?Sized> EventLog for Arc<L> {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        (**self).append(append)
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        (**self).read(query, range)
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        (**self).command(id)
    }

    fn heads(&self) -> &Heads {
        (**self).heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        (**self).capabilities()
    }
}

/// Operations that build on the required methods. Every log implements it.
pub trait EventLogExt: EventLog {
    /// The position of the last event, [`Position::START`] for an empty log.
    ///
    /// # Errors
    /// [`StoreError`].
    fn head(&self) -> impl Future<Output = Result<Position, StoreError>> + Send {
        async move {
            let range = ReadRange::after(Position::START);
            Ok(self.read(EventQuery::NONE, range).await?.as_of)
        }
    }

    /// The position of the last event that was recorded at or before `time`, found by bisection:
    /// about as many reads of one event as the head has binary digits.
    ///
    /// Relies on [`ordered_times`](Capabilities::ordered_times). Without it, an event of `time` or
    /// earlier may be followed by a later one at several positions, and the result is one of these.
    ///
    /// # Errors
    /// [`StoreError`].
    fn position_at(
        &self,
        time: Timestamp,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        async move {
            // The event at `found` is not later than `time`, and all events after `end` are. The
            // log below the head never changes, so the reads need not share a snapshot.
            let mut found = Position::START;
            let mut end = self.head().await?;
            while found < end {
                let middle = found.plus(end.since(found) / 2);
                let range = ReadRange {
                    up_to: Some(end),
                    limit: 1,
                    ..ReadRange::after(middle)
                };
                let page = self.read(EventQuery::All, range).await?;
                match page.events.first() {
                    Some(event) if event.meta.time <= time => found = event.position,
                    // Positions may have gaps, so there may be no event after the middle.
                    Some(_) | None => end = middle,
                }
            }
            Ok(found)
        }
    }

    /// Reads the matching events in a range, in one snapshot, page by page.
    fn events(&self, query: EventQuery, range: ReadRange) -> Events<'_> {
        Events::read(self, query, range)
    }
}

impl<L: EventLog + ?Sized> EventLogExt for L {}
