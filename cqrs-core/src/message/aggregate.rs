use std::fmt;

use serde_json::Value;

use super::Envelope;
use crate::error::Error;
use crate::store::{Tag, Tags};

/// State folded from events, the unit of a decision. `#[aggregate(id = ..)]` on an `impl` block
/// implements it; the methods marked `#[apply]` fold. With `ids(Student = .., Course = ..)`, the
/// state is folded from the events that have both ids.
///
/// `name = ".."` sets the name in tags. Defaults to the type's name in kebab case. `storage =
/// "state"` keeps the current state in the store, so that a decision does not fold it from its
/// events. `permission = ".."` sets the permission that an actor needs to read the state and
/// history.
///
/// If the state is `Clone`, a decision that loses against another process reads only the events since its
/// last read, in place of all. The clone must share nothing that an `#[apply]` changes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "this type has no `#[aggregate(id = ..)]` on its `impl` block",
    note = "write `#[aggregate(id = ..)] impl {Self} {{ #[apply] fn .. }}`"
)]
pub trait Aggregate: Default + Send + Sync + 'static {
    /// The type of the id.
    type Id;
    /// The name in tags, unless `ids(..)` names them.
    const NAME: &'static str;
    /// The name in the tags of the log, if that is an earlier one.
    const WAS: Option<&'static str> = None;
    /// The wire names of the events that the aggregate folds.
    const EVENTS: &'static [&'static str];
    /// The names of its ids in tags.
    #[doc(hidden)]
    const KEYS: &'static [&'static str] = &[Self::NAME];
    /// The storage of the state, as set by the attribute.
    #[doc(hidden)]
    const STORAGE: Storage;
    /// Whether a fold takes `&Recorded`, which is not final before the event is recorded.
    #[doc(hidden)]
    const READS_RECORDED: bool;
    /// The permission that an actor needs to read the state and history with [`Dispatcher::state`]
    /// and [`Dispatcher::history`]. Handlers load the aggregate without it.
    ///
    /// [`Dispatcher::state`]: crate::Dispatcher::state
    /// [`Dispatcher::history`]: crate::Dispatcher::history
    const PERMISSION: Option<&'static str> = None;

    /// The tags of the events of the aggregate with this id: one, or one for each of its ids.
    fn tags(id: &Self::Id) -> Tags;

    /// Folds an event into the state of the aggregate with this first tag. Events without an
    /// `#[apply]` method change nothing.
    ///
    /// # Errors
    /// When the event's payload cannot be read.
    #[doc(hidden)]
    fn apply(&mut self, event: &Envelope<'_>, tag: &Tag) -> Result<(), Error>;

    /// The state as JSON, if it is stored.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    #[doc(hidden)]
    fn save(&self) -> Result<Option<Vec<u8>>, Error>;

    /// The state from JSON. `None` if it does not fit the type any more, or is not stored.
    #[doc(hidden)]
    fn restore(body: &[u8]) -> Option<Self>;

    /// Approximate size of the state in memory, in bytes: the size of its type and, if it is
    /// `Serialize`, the size of its JSON as an estimate for the heap.
    #[doc(hidden)]
    fn size(&self) -> usize;

    /// The state as JSON, if its type is `Serialize`, for operators to look at.
    #[doc(hidden)]
    fn json(&self) -> Option<Value> {
        None
    }

    /// A copy of the state, if its type is `Clone`.
    #[doc(hidden)]
    fn copy(&self) -> Option<Self> {
        None
    }
}

impl Tag {
    /// The tag of the aggregate `A` with this id, for aggregates with one id.
    pub fn of<A: Aggregate<Id: fmt::Display>>(id: &A::Id) -> Self {
        Self::new(A::NAME, id)
    }
}

/// The storage of an aggregate's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// None: the state is folded from the events.
    Events,
    /// In the store, written with all events.
    State,
    /// In the store, written once per number of events. Later events are folded into it.
    Snapshots {
        /// The number of events.
        every: u32,
    },
}
