use std::any::Any;

use super::failure::IntoHandlerError;
use super::input::Input;
use super::service::{self, ErasedService, Shareable};
use super::{OnFailure, Reply, Service};
use crate::error::Result;
use crate::message::{Event, IntoCommands, NewCommands};
use crate::source::Source;
use crate::store::Recorded;

/// A reaction. `#[event_handler]` implements it.
pub trait EventHandler: 'static {
    /// The event.
    type Event: HandledEvent;
    /// The name of the checkpoint. Defaults to the function's name.
    const NAME: &'static str;
    /// The name of the checkpoint in the store, if that is an earlier one.
    const WAS: Option<&'static str> = None;
    /// Whether a reaction without a checkpoint starts with the first event of the log. Otherwise,
    /// it starts with the next event.
    const FROM_START: bool;
    /// The place of the function in the source.
    const SOURCE: Source;
    /// The name of the aggregate by whose id the events may be divided into shards.
    const PARTITION: Option<&'static str> = None;
    /// What becomes of an event that keeps failing.
    const ON_FAILURE: OnFailure = OnFailure::Stop;

    /// The function's inputs, without the event.
    fn inputs() -> Vec<Input>;

    /// The wire names of the commands that the function may return.
    fn sends() -> Vec<&'static str>;

    /// Calls the function.
    fn handle<'a>(event: Self::Event, scope: &'a ReactionScope<'a>) -> ReactionReply<'a>;
}

/// The event of an [`EventHandler`]: every [`Event`]. As a bound, `Event` itself would have the compiler
/// check the event's derives once more, beside those of the type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not derive `Event`",
    note = "add `#[derive(Event, Serialize, Deserialize)]` and `#[event(name = \"..\", version = \
            1)]` to `{Self}`",
    note = "an `enum` that derives `Event` is several events: take one of them"
)]
pub trait HandledEvent: Sized {
    /// The wire name.
    const NAME: &'static str;

    /// The payload of a recorded event.
    ///
    /// # Errors
    /// Those of [`Recorded::decode`].
    fn decode(recorded: &Recorded) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> HandledEvent for E {
    const NAME: &'static str = E::NAME;

    fn decode(recorded: &Recorded) -> Result<Self> {
        recorded.decode()
    }
}

/// The result of a sync reaction, or the future of an async one.
pub type ReactionReply<'a> = Reply<'a, Result<NewCommands>>;

/// The source of a reaction's inputs.
pub struct ReactionScope<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) services: &'a [Option<ErasedService>],
    /// The dispatcher. Its type belongs to a higher module.
    pub(crate) dispatcher: &'a (dyn Any + Send + Sync),
}

/// An input of an event handler, besides its event.
#[diagnostic::on_unimplemented(
    message = "an event handler cannot take `{Self}`",
    label = "not one of the inputs of an event handler",
    note = "an event handler takes its event, then any of: `&Recorded` (the event as stored), \
            `Service<T>` or `Service<dyn Trait>` (a service, given to the builder with `.provide(..)`), \
            `&Dispatcher` (to send commands)",
    note = "read models are written by a `#[projection]`"
)]
pub trait ReactionInput<'a>: Sized {
    /// Describes the input to the wiring.
    fn describe() -> Input;

    /// Takes the input from its scope.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn take(scope: &'a ReactionScope<'a>, place: usize) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<'a> ReactionInput<'a> for &'a Recorded {
    fn describe() -> Input {
        Input::builtin()
    }

    fn take(scope: &'a ReactionScope<'a>, _: usize) -> Result<Self> {
        Ok(scope.recorded)
    }
}

impl<'a, T: ?Sized + Shareable> ReactionInput<'a> for Service<T> {
    fn describe() -> Input {
        Input::service::<T>()
    }

    fn take(scope: &'a ReactionScope<'a>, place: usize) -> Result<Self> {
        service::take(scope.services, place)
    }
}

/// The return type of an event handler.
#[diagnostic::on_unimplemented(
    message = "an event handler cannot return `{Self}`",
    label = "neither a command nor anything that holds commands",
    note = "return nothing, a command (`#[derive(Command)]`), or an `Option`, `Vec` or tuple of commands; bare \
            or in a `Result`"
)]
pub trait IntoReaction {
    /// The wire names of the commands that it may have, each once.
    fn sends() -> Vec<&'static str>;

    /// The commands to send.
    ///
    /// # Errors
    /// The handler's error, or an error about a command that cannot be written as JSON.
    fn into_reaction(self) -> Result<NewCommands>;
}

impl<T: ReactionOutput<Form: ReactionForm>> IntoReaction for T {
    fn sends() -> Vec<&'static str> {
        let mut names = Vec::new();
        T::Form::names(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    fn into_reaction(self) -> Result<NewCommands> {
        self.into_form().into_commands()
    }
}

/// Distinguishes a `Result` from bare commands, so that a compile error is about the part that is wrong.
pub trait ReactionOutput {
    /// A `Result`, or [`BareCommands`].
    type Form;

    /// Converts the value into its form.
    fn into_form(self) -> Self::Form;
}

/// Commands outside of a `Result`.
pub struct BareCommands<T>(T);

#[diagnostic::do_not_recommend]
impl<T: IntoCommands> ReactionOutput for T {
    type Form = BareCommands<T>;

    fn into_form(self) -> BareCommands<T> {
        BareCommands(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T, E> ReactionOutput for Result<T, E> {
    type Form = Self;

    fn into_form(self) -> Self {
        self
    }
}

/// The form of an [`IntoReaction`].
pub trait ReactionForm {
    /// Adds the wire names of the commands that it may have.
    fn names(names: &mut Vec<&'static str>);

    /// The commands to send.
    ///
    /// # Errors
    /// As [`IntoReaction::into_reaction`].
    fn into_commands(self) -> Result<NewCommands>;
}

impl<T: IntoCommands> ReactionForm for BareCommands<T> {
    fn names(names: &mut Vec<&'static str>) {
        T::names(names);
    }

    fn into_commands(self) -> Result<NewCommands> {
        let mut commands = NewCommands::default();
        self.0.send(&mut commands)?;
        Ok(commands)
    }
}

impl<T: IntoCommands, E: IntoHandlerError> ReactionForm for Result<T, E> {
    fn names(names: &mut Vec<&'static str>) {
        T::names(names);
    }

    fn into_commands(self) -> Result<NewCommands> {
        BareCommands(self.map_err(IntoHandlerError::into_error)?).into_commands()
    }
}

/// The return type of an `#[on]` method.
#[diagnostic::on_unimplemented(
    message = "an `#[on]` method cannot return `{Self}`",
    label = "neither `()` nor `Result<()>`",
    note = "return nothing, `Result<()>` if it can fail, or what `Views::update` returns"
)]
pub trait IntoHandlerResult {
    /// Converts the value into a result.
    ///
    /// # Errors
    /// The handler's error.
    fn into_handler_result(self) -> Result<()>;
}

#[diagnostic::do_not_recommend]
impl IntoHandlerResult for () {
    fn into_handler_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: IntoHandlerError> IntoHandlerResult for Result<(), E> {
    fn into_handler_result(self) -> Result<()> {
        self.map_err(IntoHandlerError::into_error)
    }
}

/// A function may end with [`Views::update`](crate::Views::update). Whether there was a view is not looked at.
#[diagnostic::do_not_recommend]
impl<E: IntoHandlerError> IntoHandlerResult for Result<bool, E> {
    fn into_handler_result(self) -> Result<()> {
        self.map(|_| ()).map_err(IntoHandlerError::into_error)
    }
}
