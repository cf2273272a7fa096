use std::fmt;

use super::Envelope;
use crate::error::Error;
use crate::store::{Tag, Tags};

/// State folded from events, the unit of a decision. `#[aggregate(id = ..)]` on an `impl` block
/// implements it; the methods marked `#[apply]` fold. With `ids(Student = .., Course = ..)` it is
/// folded from the events that bear both ids.
///
/// `name = ".."` gives the name in tags, which defaults to the type's name in kebab case.
/// `storage = "state"` keeps the current state in the store, so that a decision does not fold it from
/// its events. `permission = ".."` names the permission that an actor needs to read its state and
/// history.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "this type has no `#[aggregate(id = ..)]` on its `impl` block",
    note = "write `#[aggregate(id = ..)] impl {Self} {{ #[apply] fn .. }}`"
)]
pub trait Aggregate: Default + Send + Sync + 'static {
    /// The type of its id.
    type Id;
    /// The name in tags, unless `ids(..)` names them.
    const NAME: &'static str;
    /// The wire names of the events that it folds.
    const EVENTS: &'static [&'static str];
    /// Where its state is kept: the attribute sets it.
    #[doc(hidden)]
    const STORAGE: Storage;
    /// Whether a fold takes `&Recorded`, which is not known before the event is recorded.
    const READS_RECORDED: bool;
    /// The permission that an actor needs to read the state and history with [`Dispatcher::state`] and
    /// [`Dispatcher::history`]. Handlers that load it need nothing.
    ///
    /// [`Dispatcher::state`]: crate::Dispatcher::state
    /// [`Dispatcher::history`]: crate::Dispatcher::history
    const PERMISSION: Option<&'static str> = None;

    /// The tags that the events of the aggregate with this id bear: one, or one for each of its ids.
    fn tags(id: &Self::Id) -> Tags;

    /// Folds an event into the state of the aggregate with this tag, or with this one first; events
    /// that no `#[apply]` names change nothing.
    ///
    /// # Errors
    /// When the event's payload cannot be read.
    fn apply(&mut self, event: &Envelope<'_>, tag: &Tag) -> Result<(), Error>;

    /// The state as JSON, if it is stored.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn save(&self) -> Result<Option<Vec<u8>>, Error>;

    /// The state from JSON, `None` when it does not fit the type any more or is not kept.
    fn restore(body: &[u8]) -> Option<Self>;

    /// About how many bytes of memory it takes: its own, and as many as it has as JSON, if it is
    /// `Serialize`. Of one that is not, what it has on the heap is not known.
    fn size(&self) -> usize;
}

impl Tag {
    /// The tag of this aggregate, which has one id.
    pub fn of<A: Aggregate<Id: fmt::Display>>(id: &A::Id) -> Self {
        Self::new(A::NAME, id)
    }
}

/// Where the state of an aggregate is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Nowhere: it is folded from the events.
    Events,
    /// In the store, written with the events.
    State,
    /// In the store every so many events, to fold on from there.
    Snapshots {
        /// How many.
        every: u32,
    },
}
