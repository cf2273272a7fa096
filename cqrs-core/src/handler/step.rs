//! The bounds that `#[process_manager]` puts on the types of its methods. Each is a separate trait,
//! implemented for all fitting types, so that a compile error names the fault of the user's type.

use super::StepScope;
use crate::error::{Error, Result};
use crate::message::{Command, Concerns, Event};
use crate::store::{Recorded, Tag};

/// The event has the id by which the process manager `P` finds its instance. As [`Concerns`], with
/// another error text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event that finds an instance of `{P}`",
    label = "has no `#[id(..)]` of type `{Expected}` that `{P}` knows, so it would never reach it",
    note = "derive `Event` for `{Self}`, and mark its field of type `{Expected}` with the name in \
            the `id(..)` of `{P}`: of `id(Order = {Expected})`, that is `#[id(Order)]`"
)]
pub trait Correlated<const KEY: u64, Expected, P>: Sized {
    /// The type of the field.
    type Id;

    /// The wire name. `#[process_manager]` reads it here, so that only events that reach it have one.
    const TYPE: &'static str;

    /// Whether the event may have several ids, and so concern several instances.
    const SEVERAL: bool;

    /// The payload of a recorded event.
    ///
    /// # Errors
    /// Those of [`Recorded::decode`].
    fn decode(recorded: &Recorded) -> Result<Self>;

    /// The id of the event that belongs to this tag.
    fn concerned(&self, tag: &Tag) -> Option<&Self::Id>;
}

#[diagnostic::do_not_recommend]
impl<E, const KEY: u64, Expected, P> Correlated<KEY, Expected, P> for E
where
    E: Event + Concerns<KEY, Expected, P>,
{
    type Id = E::Id;

    const TYPE: &'static str = E::TYPE;
    const SEVERAL: bool = E::REPEATED;

    fn decode(recorded: &Recorded) -> Result<Self> {
        recorded.decode()
    }

    fn concerned(&self, tag: &Tag) -> Option<&E::Id> {
        Concerns::concerned(self, tag)
    }
}

/// The type of the id in the event `E`. It has to be `Expected`, the type of the process manager's id.
/// Implemented if both are the same type.
#[diagnostic::on_unimplemented(
    message = "`{E}` has a `{Self}`, but the id of `{P}` is a `{Expected}`",
    label = "expected an id of type `{Expected}`, found `{Self}`",
    note = "use `{Expected}` for the id in `{E}`, or `{Self}` in the `#[process_manager(.., \
            id(..))]` of `{P}`"
)]
pub trait CorrelationId<P, Expected, E> {
    /// Named by the macro, so that the compiler checks the bound.
    const FITS: () = ();

    /// The same id.
    fn id_of(&self) -> &Expected;
}

#[diagnostic::do_not_recommend]
impl<P, Id, E> CorrelationId<P, Id, E> for Id {
    fn id_of(&self) -> &Id {
        self
    }
}

/// An input of a step for an event, besides the event. `#[process_manager]` implements it for the
/// reference to the id.
#[diagnostic::on_unimplemented(
    message = "a step of a process manager cannot take `{Self}`",
    label = "neither `&Recorded` nor the id",
    note = "a step takes its event and, if it needs them, `&Recorded` (the event as stored) and a \
            reference to the id of `{P}`: its effects follow from the events alone",
    note = "what needs a service or a read model is done by a command's handler or an \
            `#[event_handler]`"
)]
pub trait StepInput<'a, Id: 'a, P> {
    /// Takes the input. `id` is that of the event.
    ///
    /// # Errors
    /// When the event does not have the id.
    fn take(recorded: &'a Recorded, id: Option<&'a Id>) -> Result<Self>
    where
        Self: Sized;
}

#[diagnostic::do_not_recommend]
impl<'a, Id: 'a, P> StepInput<'a, Id, P> for &'a Recorded {
    fn take(recorded: &'a Recorded, _: Option<&'a Id>) -> Result<Self> {
        Ok(recorded)
    }
}

/// The id of a step's event.
///
/// # Errors
/// When the event does not have the id.
pub fn correlated<Id>(recorded: &Recorded, id: Option<Id>) -> Result<Id> {
    id.ok_or_else(|| {
        Error::message(format!(
            "event `{}` (position {}) has a tag that none of its ids has now",
            recorded.data.event_type, recorded.position
        ))
    })
}

/// An input of a `#[rejected]` method, besides the command and the reason.
#[diagnostic::on_unimplemented(
    message = "a `#[rejected]` method cannot take `{Self}`",
    label = "not `&Recorded`",
    note = "a `#[rejected]` method takes the command, the reason and, if it needs it, `&Recorded` (the \
            rejection as stored); the id is in the command, or in what the process manager remembers"
)]
pub trait RejectedInput<'a> {
    /// Takes the input.
    fn take(recorded: &'a Recorded) -> Self;
}

#[diagnostic::do_not_recommend]
impl<'a> RejectedInput<'a> for &'a Recorded {
    fn take(recorded: &'a Recorded) -> Self {
        recorded
    }
}

/// The command of a `#[rejected]` method: every [`Command`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "this type does not derive `Command`",
    note = "a `#[rejected]` method takes a command that another method returns, and the reason: \
            `command: &ReserveStock, reason: &StockError`"
)]
pub trait RejectedCommand: Sized {
    /// The wire name.
    const NAME: &'static str;
    /// The command's rejection type.
    type Error;

    /// The command that was rejected.
    ///
    /// # Errors
    /// When its JSON does not fit the type.
    fn take(scope: &StepScope<'_>) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<C: Command> RejectedCommand for C {
    const NAME: &'static str = C::NAME;
    type Error = C::Error;

    fn take(scope: &StepScope<'_>) -> Result<Self> {
        scope.command()
    }
}

/// The reason of a rejected command `C`. It has to be `Expected`, the command's error, unless it is
/// [`Rejected`](crate::Rejected). Implemented if both are the same type.
#[diagnostic::on_unimplemented(
    message = "a rejected `{C}` has no `{Self}`",
    label = "expected `{Expected}`, found `{Self}`",
    note = "the reason is the error of `{C}`: take `&{Expected}`, or `&Rejected`, which has its text"
)]
pub trait ReasonOf<C, Expected> {
    /// Named by the macro, so that the compiler checks the bound.
    const FITS: () = ();
}

#[diagnostic::do_not_recommend]
impl<C, Reason> ReasonOf<C, Reason> for Reason {}
