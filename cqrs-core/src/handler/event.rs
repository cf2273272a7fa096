use std::future::Future;

use super::Res;
use super::input::{Input, Source};
use super::resource::{self, Service};
use crate::dispatcher::Dispatcher;
use crate::error::{Error, Result};
use crate::message::Event;
use crate::store::{BoxFuture, Recorded};

/// A reaction. `#[event_handler]` implements it.
pub trait HandlesEvent: 'static {
    /// The event.
    type Event: Event;
    /// The function's name, or what `name = ".."` says; it names the checkpoint.
    const NAME: &'static str;
    /// Whether a reaction that is new to a log begins with the log's first event, rather than
    /// with the next one.
    const FROM_START: bool;
    /// Where it is.
    const SOURCE: Source;

    /// What it takes besides the event.
    fn inputs() -> Vec<Input>;

    /// Reacts.
    fn handle<'a>(event: Self::Event, scope: &'a ReactionScope<'a>) -> Reacted<'a>;
}

/// The result of a sync reaction, or the future of an async one.
pub enum Reacted<'a> {
    /// Reacted.
    Now(Result<()>),
    /// Reacting.
    Later(BoxFuture<'a, Result<()>>),
}

impl<'a> Reacted<'a> {
    /// Runs a sync reaction.
    pub fn now(react: impl FnOnce() -> Result<()>) -> Self {
        Self::Now(react())
    }

    /// Boxes an async reaction.
    pub fn later(react: impl Future<Output = Result<()>> + Send + 'a) -> Self {
        Self::Later(Box::pin(react))
    }
}

/// What a reaction's inputs are taken from.
pub struct ReactionScope<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) services: &'a [Option<Service>],
    pub(crate) dispatcher: &'a Dispatcher,
}

/// What an event handler may take besides its event.
#[diagnostic::on_unimplemented(
    message = "an event handler cannot take `{Self}`",
    label = "not one of the inputs of an event handler",
    note = "an event handler takes its event, then any of: `&Recorded` (the event as stored), \
            `Res<T>` or `Res<dyn Trait>` (a service), `&Dispatcher` (to send commands)",
    note = "read models are written by a `#[projection]`"
)]
pub trait ReactionInput<'a>: Sized {
    /// What it is.
    fn describe() -> Input;

    /// Takes it.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn take(scope: &'a ReactionScope<'a>, place: usize) -> Result<Self>;
}

impl<'a> ReactionInput<'a> for &'a Recorded {
    fn describe() -> Input {
        Input::given()
    }

    fn take(scope: &'a ReactionScope<'a>, _: usize) -> Result<Self> {
        Ok(scope.recorded)
    }
}

impl<'a> ReactionInput<'a> for &'a Dispatcher {
    fn describe() -> Input {
        Input::given()
    }

    fn take(scope: &'a ReactionScope<'a>, _: usize) -> Result<Self> {
        Ok(scope.dispatcher)
    }
}

impl<'a, T: ?Sized + Send + Sync + 'static> ReactionInput<'a> for Res<T> {
    fn describe() -> Input {
        Input::resource::<T>()
    }

    fn take(scope: &'a ReactionScope<'a>, place: usize) -> Result<Self> {
        resource::take(scope.services, place)
    }
}

/// What an `#[on]` method or an event handler may return.
#[diagnostic::on_unimplemented(
    message = "a projection or event handler cannot return `{Self}`",
    label = "neither `()` nor `Result<()>`",
    note = "return nothing, or `Result<()>` whose error is `cqrs_core::Error` or any \
            `std::error::Error`"
)]
pub trait Completion {
    /// The result.
    ///
    /// # Errors
    /// The handler's.
    fn complete(self) -> Result<()>;
}

impl Completion for () {
    fn complete(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> Completion for Result<(), E> {
    fn complete(self) -> Result<()> {
        self.map_err(Into::into)
    }
}
