use std::any::Any;

use super::each::{InOneSlice, InOneVec};
use super::input::{AggregateType, AnyState, Input};
use super::service::{self, ErasedService, Shareable};
use super::{Context, Reply, Service, TxSlot, WritesSlot};
use crate::error::{CommandError, Error};
use crate::message::{Aggregate, Command, IntoEvents, NewEvents, Probe};
use crate::source::Source;
use crate::store::{ErasedLogTx, Tags};

/// A command handler. `#[command_handler]` implements it.
pub trait CommandHandler: 'static {
    /// The command. A bound here would check its derives once more, beside those of the type.
    type Command: 'static;
    /// The function's name.
    const NAME: &'static str;
    /// The place of the function in the source.
    const SOURCE: Source;
    /// Whether the function is `async`.
    const IS_ASYNC: bool;

    /// The function's inputs, without the command.
    fn inputs() -> Vec<Input>;

    /// The wire names of the events that the function may return.
    fn emits() -> Vec<&'static str>;

    /// Adds the aggregates to load.
    fn load(command: &Self::Command, loads: &mut Loads);

    /// Calls the function.
    fn handle<'a>(
        command: Self::Command,
        scope: &'a CommandScope<'a>,
    ) -> CommandReply<'a, Self::Command>
    where
        Self::Command: Command;
}

/// A command handler as function pointers.
pub struct CommandFn<C: Command> {
    pub(crate) load: fn(&C, &mut Loads),
    pub(crate) run: for<'a> fn(C, &'a CommandScope<'a>) -> CommandReply<'a, C>,
}

// A derive would ask for `C: Copy`.
#[allow(clippy::expl_impl_clone_on_copy)]
impl<C: Command> Clone for CommandFn<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Command> Copy for CommandFn<C> {}

impl<C: Command> CommandFn<C> {
    /// The pointers of `H`.
    pub fn of<H: CommandHandler<Command = C>>() -> Self {
        Self {
            load: H::load,
            run: H::handle,
        }
    }
}

/// The events to record, or the error.
pub type DecisionResult<C> = Result<NewEvents, CommandError<<C as Command>::Error>>;

/// A decision of a sync handler, or the future of an async one.
pub type CommandReply<'a, C> = Reply<'a, DecisionResult<C>>;

/// The source of a handler's inputs.
pub struct CommandScope<'a> {
    pub(crate) command: &'a (dyn Any + Send + Sync),
    pub(crate) context: &'a Context,
    pub(crate) states: &'a dyn LoadedStates,
    pub(crate) services: &'a [Option<ErasedService>],
    /// The transaction, if the handler takes one.
    pub(crate) tx: Option<&'a TxSlot<dyn ErasedLogTx>>,
    /// Receives the handler's statements, if it takes `Writes`.
    pub(crate) writes: Option<&'a WritesSlot>,
}

/// The aggregates that a decision has loaded.
pub(crate) trait LoadedStates: Sync {
    /// The aggregate with this number, from 0. `None` after the last.
    fn get(&self, number: usize) -> Option<LoadedState<'_>>;
}

/// An aggregate that a decision has loaded.
#[derive(Clone, Copy)]
pub(crate) struct LoadedState<'a> {
    /// The inputs that take it.
    pub(crate) inputs: &'a Inputs,
    pub(crate) tags: &'a Tags,
    /// The state. `None` before it is read.
    pub(crate) state: Option<&'a dyn AnyState>,
}

/// Collects the aggregates that a handler takes.
pub struct Loads<'a>(&'a mut dyn FnMut(LoadRequest));

/// An aggregate that a handler takes.
pub(crate) struct LoadRequest {
    /// The inputs that take it.
    pub(crate) inputs: Inputs,
    pub(crate) aggregate: &'static AggregateType,
    /// The tags of the aggregate's events, one or several.
    pub(crate) tags: Tags,
}

impl<'a> Loads<'a> {
    /// Creates a collection that passes each aggregate to `load`.
    pub(crate) fn new(load: &'a mut dyn FnMut(LoadRequest)) -> Self {
        Self(load)
    }

    /// Adds the aggregate that the input at `place` takes.
    pub fn add<A: Aggregate>(&mut self, place: usize, id: &A::Id) {
        self.add_tagged::<A>(place, A::tags(id));
    }

    /// Adds the aggregate with these tags, which the input at `place` takes.
    pub fn add_tagged<A: Aggregate>(&mut self, place: usize, tags: Tags) {
        self.add_listed::<A>(place, 0, tags);
    }

    /// Adds one of the aggregates that the input at `place` takes.
    pub(crate) fn add_listed<A: Aggregate>(&mut self, place: usize, index: usize, tags: Tags) {
        (self.0)(LoadRequest {
            inputs: Inputs::One(InputPlace { place, index }),
            aggregate: const { &AggregateType::of::<A>() },
            tags,
        });
    }
}

/// The place at which a handler takes an aggregate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InputPlace {
    /// The place of the input.
    place: usize,
    /// The index of the id in an [`Each`](super::Each), otherwise 0.
    index: usize,
}

/// The inputs that take one aggregate. Almost always a single one.
#[derive(Clone, Debug)]
pub(crate) enum Inputs {
    One(InputPlace),
    Many(Vec<InputPlace>),
}

impl Inputs {
    pub(crate) const NONE: Self = Self::Many(Vec::new());

    pub(crate) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        let all = self.as_slice().iter().chain(others.as_slice());
        *self = Self::Many(all.copied().collect());
    }

    /// The index of the aggregate's id among those of the input at `place`.
    fn index(&self, place: usize) -> Option<usize> {
        let mut places = self.as_slice().iter();
        places.find(|it| it.place == place).map(|it| it.index)
    }

    fn as_slice(&self) -> &[InputPlace] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }
}

/// An input of a command handler, besides its command. References are [`Borrowed`].
#[diagnostic::on_unimplemented(
    message = "a command handler cannot take `{Self}`",
    label = "not one of the inputs of a command handler",
    note = "for the state of an aggregate, take `&{Self}`",
    note = "for a service, take `Service<{Self}>` and give it to the builder with `.provide(..)`; one \
            that is in an `Arc` is taken without it: `Service<dyn Mailer>`, `.provide::<dyn \
            Mailer>(..)`",
    note = "a command handler takes its command, then any of: `&State` (an aggregate), \
            `Each<State>` (several), `Service<T>` or `Service<dyn Trait>` (a service), `&Context`, `&mut \
            Writes<..>` (SQL statements that commit with the events), `&mut Tx<..>` (SQL with \
            answers, in the same transaction)"
)]
pub trait CommandInput<'a, C, const ROLE: u64>: Sized {
    /// Describes the input to the wiring.
    fn describe() -> Input;

    /// Adds the aggregate to load, if any.
    fn load(command: &C, place: usize, loads: &mut Loads) {
        let _ = (command, place, loads);
    }

    /// Takes the input from its scope.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn take(scope: &'a CommandScope<'a>, place: usize) -> Result<Self, Error>;
}

/// A type that a command handler may borrow. `#[aggregate]` implements it for commands with a
/// fitting `#[id(..)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate: a command handler cannot borrow it",
    label = "neither an aggregate nor `Context`",
    note = "for a service, take `Service<{Self}>` and give it to the builder with `.provide(..)`; one \
            that is in an `Arc` is taken without it: `Service<dyn Mailer>`, `.provide::<dyn \
            Mailer>(..)`",
    note = "for state, write `#[aggregate(id = ..)]` on an `impl {Self}` block with `#[apply]` \
            methods"
)]
pub trait Borrowed<C, const ROLE: u64>: 'static {
    /// Describes the input to the wiring.
    fn describe() -> Input;

    /// Adds the aggregate to load, if any.
    fn load(command: &C, place: usize, loads: &mut Loads);

    /// Takes the input from its scope.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn take<'a>(scope: &'a CommandScope<'a>, place: usize) -> Result<&'a Self, Error>;
}

#[diagnostic::do_not_recommend]
impl<'a, T: ?Sized + Borrowed<C, ROLE>, C, const ROLE: u64> CommandInput<'a, C, ROLE> for &'a T {
    fn describe() -> Input {
        T::describe()
    }

    fn load(command: &C, place: usize, loads: &mut Loads) {
        T::load(command, place, loads);
    }

    fn take(scope: &'a CommandScope<'a>, place: usize) -> Result<Self, Error> {
        T::take(scope, place)
    }
}

impl<'a, T: ?Sized + Shareable, C, const ROLE: u64> CommandInput<'a, C, ROLE> for Service<T> {
    fn describe() -> Input {
        Input::service::<T>()
    }

    fn take(scope: &'a CommandScope<'a>, place: usize) -> Result<Self, Error> {
        service::take(scope.services, place)
    }
}

#[diagnostic::do_not_recommend]
impl<C, const ROLE: u64> Borrowed<C, ROLE> for Context {
    fn describe() -> Input {
        Input::context()
    }

    fn load(_: &C, _: usize, _: &mut Loads) {}

    fn take<'a>(scope: &'a CommandScope<'a>, _: usize) -> Result<&'a Self, Error> {
        Ok(scope.context)
    }
}

impl<'a, T: InOneVec, C, const ROLE: u64> CommandInput<'a, C, ROLE> for Vec<T> {
    fn describe() -> Input {
        Input::context()
    }

    fn take(_: &'a CommandScope<'a>, _: usize) -> Result<Self, Error> {
        Ok(Vec::new())
    }
}

impl<A: InOneSlice, C, const ROLE: u64> Borrowed<C, ROLE> for [A] {
    fn describe() -> Input {
        Input::context()
    }

    fn load(_: &C, _: usize, _: &mut Loads) {}

    fn take<'a>(_: &'a CommandScope<'a>, _: usize) -> Result<&'a Self, Error> {
        Ok(&[])
    }
}

impl<'a> CommandScope<'a> {
    /// The aggregates at an input's place, each with the index of its id.
    pub(crate) fn loaded(&self, place: usize) -> impl Iterator<Item = (usize, LoadedState<'a>)> {
        let states = self.states;
        let loaded = (0..).map_while(|number| states.get(number));
        loaded.filter_map(move |loaded| Some((loaded.inputs.index(place)?, loaded)))
    }

    /// The aggregate at an input's place.
    ///
    /// # Errors
    /// Never, once it is loaded.
    pub fn state<A: Aggregate>(&self, place: usize) -> Result<&'a A, Error> {
        let first = self.loaded(place).next();
        let state = first.and_then(|(_, loaded)| loaded.state?.as_any().downcast_ref());
        state.ok_or_else(|| Error::message(format!("the state of `{}` is not loaded", A::NAME)))
    }
}

/// The return type of a command handler.
#[diagnostic::on_unimplemented(
    message = "a command handler cannot return `{Self}`",
    label = "neither an event nor anything that holds events",
    note = "return an event (`#[derive(Event)]`), an enum of events, `()`, or an `Option`, `Vec` or \
            tuple of these; bare or in a `Result` with the command's error"
)]
pub trait IntoDecision<C: Command> {
    /// The events to record, or the error.
    ///
    /// # Errors
    /// The handler's error, or an error about an event that cannot be written as JSON.
    fn into_decision(self) -> DecisionResult<C>;
}

impl<C: Command, T: ReturnType<Form: ReturnForm<C::Error>>> IntoDecision<C> for T {
    fn into_decision(self) -> DecisionResult<C> {
        self.into_form().into_events()
    }
}

/// Distinguishes a `Result` from bare events, so that a compile error is about the part that is
/// wrong.
pub trait ReturnType {
    /// A `Result`, or [`BareEvents`].
    type Form;

    /// Converts the value into its form.
    fn into_form(self) -> Self::Form;
}

/// Events outside of a `Result`.
pub struct BareEvents<T>(T);

#[diagnostic::do_not_recommend]
impl<T: IntoEvents> ReturnType for T {
    type Form = BareEvents<T>;

    fn into_form(self) -> BareEvents<T> {
        BareEvents(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T, E> ReturnType for Result<T, E> {
    type Form = Self;

    fn into_form(self) -> Self {
        self
    }
}

/// The form of an [`IntoDecision`].
pub trait ReturnForm<E> {
    /// The events to record, or the error.
    ///
    /// # Errors
    /// As [`IntoDecision::into_decision`].
    fn into_events(self) -> Result<NewEvents, CommandError<E>>;
}

impl<T: IntoEvents, E> ReturnForm<E> for BareEvents<T> {
    fn into_events(self) -> Result<NewEvents, CommandError<E>> {
        let mut events = NewEvents::new();
        self.0.record(&mut events).map_err(CommandError::failed)?;
        Ok(events)
    }
}

impl<T: IntoEvents, D: DomainError<E>, E> ReturnForm<E> for Result<T, D> {
    fn into_events(self) -> Result<NewEvents, CommandError<E>> {
        BareEvents(self.map_err(DomainError::into_command_error)?).into_events()
    }
}

/// A form that holds events, whatever its error is.
pub trait HoldsEvents {
    /// What holds them.
    type Events: IntoEvents;
}

impl<T: IntoEvents> HoldsEvents for BareEvents<T> {
    type Events = T;
}

impl<T: IntoEvents, E> HoldsEvents for Result<T, E> {
    type Events = T;
}

// By a probe, so that a return type in error is reported where the handler is called alone.
impl<T: ReturnType<Form: HoldsEvents>> Probe<T> {
    /// The wire names of the events that it may have, each once.
    pub fn emits(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        <T::Form as HoldsEvents>::Events::names(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The error of a command handler: the command's own, or a [`CommandError`] around it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the error of this command",
    label = "the command's error is `{E}`",
    note = "return `{E}`; or, if `{Self}` is a `std::error::Error`, name it in the command's \
            `#[command(error = ..)]`",
    note = "a text rejects a command that names no error: `.map_err(Rejected::from)?`",
    note = "for something that failed rather than a rejection, return `CommandError<{E}>`: \
            `.map_err(CommandError::failed)?` makes it of an error, \
            `.map_err(Error::message).map_err(CommandError::failed)?` of a text or a boxed error"
)]
pub trait DomainError<E> {
    /// Converts the error into the one that the dispatcher returns.
    fn into_command_error(self) -> CommandError<E>;
}

#[diagnostic::do_not_recommend]
impl<E> DomainError<E> for E {
    fn into_command_error(self) -> CommandError<E> {
        CommandError::Rejected(self)
    }
}

#[diagnostic::do_not_recommend]
impl<E> DomainError<E> for CommandError<E> {
    fn into_command_error(self) -> CommandError<E> {
        self
    }
}
