use std::any::TypeId;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use super::TxSlot;
use super::input::{Input, Source};
use crate::error::{Error, Result};
use crate::store::{BoxFuture, Recorded};
use crate::views::{ErasedBuffer, ReadModel, ViewBuffer, Views};

/// A projection. `#[projection]` on an `impl` block implements it.
pub trait Projects: 'static {
    /// The name, part of the checkpoint's.
    const NAME: &'static str;
    /// The version: raise it when a fold changes, and the read models are built anew.
    const VERSION: u32;
    /// Where it is.
    const SOURCE: Source;

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
    /// The line that it is on.
    pub line: u32,
    /// What it takes.
    pub inputs: Vec<Input>,
    /// Runs it.
    pub run: for<'a> fn(&'a SetupScope<'a>) -> Folded<'a>,
}

/// A method of a projection that is marked `#[on]`.
#[derive(Clone)]
pub struct Fold {
    /// The method's name.
    pub name: &'static str,
    /// The line that it is on.
    pub line: u32,
    /// The wire name of the event that it folds.
    pub event: &'static str,
    /// What it takes besides the event.
    pub inputs: Vec<Input>,
    /// Decodes the event and folds it.
    pub run: for<'a> fn(&'a Recorded, &'a FoldScope<'a>) -> Folded<'a>,
}

/// The result of a sync fold, or the future of an async one.
pub enum Folded<'a> {
    /// Folded.
    Now(Result<()>),
    /// Being folded.
    Later(BoxFuture<'a, Result<()>>),
}

impl<'a> Folded<'a> {
    /// Runs a sync fold.
    pub fn now(fold: impl FnOnce() -> Result<()>) -> Self {
        Self::Now(fold())
    }

    /// Boxes an async fold.
    pub fn later(fold: impl Future<Output = Result<()>> + Send + 'a) -> Self {
        Self::Later(Box::pin(fold))
    }
}

/// What a fold's inputs are taken from.
pub struct FoldScope<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) buffers: &'a HashMap<TypeId, Arc<dyn ErasedBuffer>>,
    /// There if the projection takes it.
    pub(crate) tx: Option<&'a TxSlot>,
}

/// What the inputs of a `#[setup]` method are taken from.
pub struct SetupScope<'a> {
    pub(crate) tx: &'a TxSlot,
}

/// What an `#[on]` method may take besides its event.
#[diagnostic::on_unimplemented(
    message = "an `#[on]` method cannot take `{Self}`",
    label = "not one of the inputs of a projection",
    note = "an `#[on]` method takes its event, then any of: `&Recorded` (the event as stored), \
            `&mut Views<V>` (a read model to write), `&mut Tx<..>` (SQL in the same transaction)",
    note = "a projection is folded again whenever it is rebuilt: what calls a service belongs in \
            an `#[event_handler]`"
)]
pub trait FoldInput<'a>: Sized {
    /// What is kept while the method runs.
    type Held: Send;

    /// What it is.
    fn describe() -> Input;

    /// Takes what the method will borrow from.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn hold(scope: &FoldScope<'a>) -> Result<Self::Held>;

    /// Lends it to the method.
    fn lend(held: &'a mut Self::Held) -> Self;
}

/// What an `#[apply]` method may take besides its event.
#[diagnostic::on_unimplemented(
    message = "an `#[apply]` method cannot take `{Self}`",
    label = "not `&Recorded`",
    note = "an `#[apply]` method takes its event and, if it needs it, `&Recorded` (the event as \
            stored): what it computes follows from the events alone"
)]
pub trait ApplyInput<'a> {
    /// Takes it.
    fn of(recorded: &'a Recorded) -> Self;
}

#[diagnostic::do_not_recommend]
impl<'a> ApplyInput<'a> for &'a Recorded {
    fn of(recorded: &'a Recorded) -> Self {
        recorded
    }
}

#[diagnostic::do_not_recommend]
impl<'a> FoldInput<'a> for &'a Recorded {
    type Held = &'a Recorded;

    fn describe() -> Input {
        Input::given()
    }

    fn hold(scope: &FoldScope<'a>) -> Result<Self::Held> {
        Ok(scope.recorded)
    }

    fn lend(held: &'a mut Self::Held) -> Self {
        held
    }
}

impl<'a, V: ReadModel> FoldInput<'a> for &'a mut Views<V> {
    type Held = Views<V>;

    fn describe() -> Input {
        Input::views::<V>()
    }

    fn hold(scope: &FoldScope<'a>) -> Result<Self::Held> {
        let buffer = scope.buffers.get(&TypeId::of::<V>()).cloned();
        let buffer = buffer.and_then(|buffer| buffer.as_any().downcast::<ViewBuffer<V>>().ok());
        let buffer = buffer.ok_or_else(|| Error::message(format!("`{}` is not wired", V::NAME)))?;
        Ok(Views::new(buffer))
    }

    fn lend(held: &'a mut Self::Held) -> Self {
        held
    }
}
