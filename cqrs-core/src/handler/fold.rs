use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;

use super::input::Input;
use super::{OnFailure, Reply, TxSlot};
use crate::error::{Error, Result};
use crate::message::Envelope;
use crate::source::Source;
use crate::store::{ErasedViewTx, Recorded};
use crate::views::{ErasedBuffer, ReadModel, ViewBuffer, Views};

/// A projection. `#[projection]` on an `impl` block implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projection",
    label = "this type has no `#[projection(..)] impl`",
    note = "name the type with `#[projection(name = \"..\", version = 1)]` on its `impl` block: not one \
            of its read models"
)]
pub trait Projection: 'static {
    /// The name, part of the name of the checkpoint.
    const NAME: &'static str;
    /// The name in the store, if that is an earlier one.
    const WAS: Option<&'static str> = None;
    /// The version. Raising it rebuilds the read models.
    const VERSION: u32;
    /// Hashes of the functions and constants without a mark, by their names: `fn rank`.
    const OTHER_ITEMS: &'static [(&'static str, u64)] = &[];
    /// The code of which somebody says that it makes the same views as earlier code of the version.
    const UNCHANGED: Option<u64> = None;
    /// The place of the `impl` block in the source.
    const SOURCE: Source;
    /// The name of the aggregate by whose id the events may be divided into shards.
    const PARTITION: Option<&'static str> = None;
    /// What becomes of an event that keeps failing.
    const ON_FAILURE: OnFailure = OnFailure::Stop;

    /// The methods marked `#[on]`.
    fn folds() -> Vec<Fold>;

    /// The method marked `#[setup]`.
    fn setup() -> Option<Setup> {
        None
    }
}

/// The method of a projection that is marked `#[setup]`.
#[derive(Clone)]
pub struct Setup {
    /// The method's name.
    pub name: &'static str,
    /// The method's line in the source.
    pub line: u32,
    /// Hash of the method's tokens.
    pub fingerprint: u64,
    /// The method's inputs.
    pub inputs: Vec<Input>,
    /// Calls the method.
    pub run: for<'a> fn(&'a SetupScope<'a>) -> FoldReply<'a>,
}

/// A method of a projection that is marked `#[on]`.
#[derive(Clone)]
pub struct Fold {
    /// The method's name.
    pub name: &'static str,
    /// The method's line in the source.
    pub line: u32,
    /// Hash of the method's tokens.
    pub fingerprint: u64,
    /// The wire name of the method's event.
    pub event: &'static str,
    /// The method's inputs, without the event.
    pub inputs: Vec<Input>,
    /// Decodes the event and calls the method.
    pub run: for<'a> fn(&'a Recorded, &'a FoldScope<'a>) -> FoldReply<'a>,
}

/// The result of a sync fold, or the future of an async one.
pub type FoldReply<'a> = Reply<'a, Result<()>>;

/// The source of a fold's inputs.
pub struct FoldScope<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) buffers: &'a HashMap<TypeId, Arc<dyn ErasedBuffer>>,
    /// The transaction, if the projection takes one.
    pub(crate) tx: Option<&'a TxSlot<dyn ErasedViewTx>>,
}

/// The source of the inputs of a `#[setup]` method.
pub struct SetupScope<'a> {
    pub(crate) tx: &'a TxSlot<dyn ErasedViewTx>,
}

/// An input of an `#[on]` method, besides its event.
#[diagnostic::on_unimplemented(
    message = "an `#[on]` method cannot take `{Self}`",
    label = "not one of the inputs of a projection",
    note = "an `#[on]` method takes its event, then any of: `&Recorded` (the event as stored), \
            `&mut Views<V>` (a read model to write), `&mut Tx<..>` (SQL in the same transaction)",
    note = "a projection is folded again whenever it is rebuilt: what calls a service belongs in \
            an `#[event_handler]`"
)]
pub trait FoldInput<'a>: Sized {
    /// Owns the input while the method runs.
    type Guard: Send;

    /// Describes the input to the wiring.
    fn describe() -> Input;

    /// Takes the owner of the input from its scope.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn acquire(scope: &FoldScope<'a>) -> Result<Self::Guard>;

    /// Borrows the input for the method.
    fn borrow(guard: &'a mut Self::Guard) -> Self;
}

/// An input of an `#[apply]` method of the aggregate `A`, besides its event. `#[aggregate]`
/// implements it for the reference to the id.
#[diagnostic::on_unimplemented(
    message = "an `#[apply]` method cannot take `{Self}`",
    label = "neither `&Recorded` nor the id",
    note = "an `#[apply]` method takes its event and, if it needs them, `&Recorded` (the event as \
            stored) and a reference to the id of `{A}`: its result follows from the events alone",
    note = "an aggregate of several ids, `ids(..)`, reads them from its event"
)]
pub trait ApplyInput<'a, Id: 'a, A> {
    /// Whether the input is the id.
    const IS_ID: bool;

    /// Takes the input from the event. `id` finds the id.
    ///
    /// # Errors
    /// When the event does not have the id.
    fn take(event: &'a Envelope<'_>, id: impl FnOnce() -> Option<&'a Id>) -> Result<Self>
    where
        Self: Sized;
}

/// An input of an `#[apply]` method of an aggregate whose state is stored, besides its event.
#[diagnostic::on_unimplemented(
    message = "an `#[apply]` method of a stored state cannot take `{Self}`",
    label = "not the id",
    note = "a state that is stored is folded before its event has a position: take what the fold \
            needs from the event itself, or do not store the state of `{A}`"
)]
pub trait StoredApplyInput<A> {
    /// Named by the macro, so that the compiler checks the bound.
    const FITS: () = ();
}

#[diagnostic::do_not_recommend]
impl<'a, Id: 'a, A> ApplyInput<'a, Id, A> for &'a Recorded {
    const IS_ID: bool = false;

    fn take(event: &'a Envelope<'_>, _: impl FnOnce() -> Option<&'a Id>) -> Result<Self> {
        event.record()
    }
}

/// Whether any of the values is `true`.
pub const fn any(these: &[bool]) -> bool {
    let mut rest = these;
    while let [first, others @ ..] = rest {
        if *first {
            return true;
        }
        rest = others;
    }
    false
}

/// The id of the event for an `#[apply]` method.
///
/// # Errors
/// When the event does not have the id.
pub fn concerned<Id>(event: &Envelope<'_>, id: Option<Id>) -> Result<Id> {
    id.ok_or_else(|| {
        let event_type = &event.event_type;
        Error::message(match event.position() {
            None => format!("event `{event_type}` has a tag that none of its ids has now"),
            Some(position) => format!(
                "event `{event_type}` (position {position}) has a tag that none of its ids has now"
            ),
        })
    })
}

#[diagnostic::do_not_recommend]
impl<'a> FoldInput<'a> for &'a Recorded {
    type Guard = &'a Recorded;

    fn describe() -> Input {
        Input::builtin()
    }

    fn acquire(scope: &FoldScope<'a>) -> Result<Self::Guard> {
        Ok(scope.recorded)
    }

    fn borrow(guard: &'a mut Self::Guard) -> Self {
        guard
    }
}

impl<'a, V: ReadModel> FoldInput<'a> for &'a mut Views<V> {
    type Guard = Views<V>;

    fn describe() -> Input {
        Input::views::<V>()
    }

    fn acquire(scope: &FoldScope<'a>) -> Result<Self::Guard> {
        scope
            .buffers
            .get(&TypeId::of::<V>())
            .cloned()
            .and_then(|buffer| buffer.as_any().downcast::<ViewBuffer<V>>().ok())
            .map(Views::new)
            .ok_or_else(|| Error::message(format!("`{}` is not wired", V::NAME)))
    }

    fn borrow(guard: &'a mut Self::Guard) -> Self {
        guard
    }
}
