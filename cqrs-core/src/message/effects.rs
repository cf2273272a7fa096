use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tuples::for_tuples;
use super::{Command, Event, IntoCommands, NewCommand, NewCommands};
use crate::Timestamp;
use crate::auth::ActorData;
use crate::error::Error;
use crate::json;
use crate::store::{EventData, EventType, Tags};

/// The effects of a step of a process manager: a command, [`Deadline`], [`Reschedule`], [`Cancel`],
/// [`End`], `()`, or an `Option`, `Vec` or tuple of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an effect of a process manager",
    label = "neither an effect nor anything that holds effects",
    note = "return nothing, a command (`#[derive(Command)]`), `Deadline<..>`, `Reschedule<..>`, \
            `Cancel<..>`, `End`, or an `Option`, `Vec` or tuple of these; bare or in a `Result`"
)]
pub trait IntoEffects {
    /// Adds the effects that a value may have.
    fn kinds(kinds: &mut Vec<EffectKind>);

    /// Adds the effects, in order.
    ///
    /// # Errors
    /// When a command or an event could not be read back from its JSON.
    fn add_to(self, effects: &mut Effects) -> Result<(), Error>;
}

/// An effect that a step may have, by wire names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectKind {
    /// Sends this command.
    Send(&'static str),
    /// Sets the deadline with this event.
    Deadline(&'static str),
    /// Moves the deadline with this event.
    Reschedule(&'static str),
    /// Cancels the deadline with this event.
    Cancel(&'static str),
    /// Ends the instance.
    End,
}

/// Has an event recorded at a point in time, unless it is canceled or moved before. A deadline with an
/// event of the same type that the instance waits for already is replaced.
#[derive(Clone, Debug)]
#[must_use = "a deadline that is not returned from the method has no effect"]
pub struct Deadline<E> {
    event: E,
    due: Due,
}

/// Moves the deadline with an event of this type. Without one that the instance waits for, it has no
/// effect.
#[derive(Clone, Debug)]
#[must_use = "an effect that is not returned from the method does not happen"]
pub struct Reschedule<E> {
    due: Due,
    event: PhantomData<fn() -> E>,
}

/// Cancels the deadline with an event of this type. Without one that the instance waits for, it has no
/// effect.
#[derive(Clone, Copy, Debug)]
#[must_use = "an effect that is not returned from the method does not happen"]
pub struct Cancel<E>(PhantomData<fn() -> E>);

/// Ends the instance: its deadlines are canceled, later events have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an effect that is not returned from the method does not happen"]
pub struct End;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Due {
    At(Timestamp),
    /// After the event of the step was recorded.
    After(Duration),
}

/// The effects of one step, in order.
#[derive(Debug, Default)]
pub struct Effects(pub(crate) Vec<Effect>);

/// An effect without its type.
#[derive(Debug)]
pub(crate) enum Effect {
    Send {
        /// The command's wire name.
        name: Cow<'static, str>,
        json: Vec<u8>,
        /// The actor that sends it.
        actor: Option<ActorData>,
    },
    Deadline {
        /// The event's wire name.
        name: &'static str,
        event: EventData,
        due: Due,
    },
    Reschedule {
        name: &'static str,
        due: Due,
    },
    Cancel {
        name: &'static str,
    },
    End,
}

impl<E: Event> Deadline<E> {
    /// Has the event recorded some time after the event of the step was.
    pub fn after(event: E, duration: Duration) -> Self {
        let due = Due::After(duration);
        Self { event, due }
    }

    /// Has the event recorded at this time, or at once if it is past.
    pub fn at(event: E, time: Timestamp) -> Self {
        let due = Due::At(time);
        Self { event, due }
    }
}

impl<E: Event> Reschedule<E> {
    /// Moves the deadline to some time after the event of the step was recorded.
    pub fn after(duration: Duration) -> Self {
        Self::to(Due::After(duration))
    }

    /// Moves the deadline to this time.
    pub fn at(time: Timestamp) -> Self {
        Self::to(Due::At(time))
    }

    fn to(due: Due) -> Self {
        let event = PhantomData;
        Self { due, event }
    }
}

impl<E: Event> Cancel<E> {
    /// Cancels the deadline.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E: Event> Default for Cancel<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl Due {
    /// The time, for a step whose event was recorded at `recorded`.
    pub(crate) fn time(self, recorded: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::After(duration) => recorded.checked_add(duration).unwrap_or(Timestamp::MAX),
        }
    }
}

impl Effects {
    fn push_command<C: Command>(&mut self, command: C) -> Result<(), Error> {
        let mut commands = NewCommands::default();
        IntoCommands::send(command, &mut commands)?;
        for NewCommand { name, json } in commands.into_vec() {
            let (name, actor) = (Cow::Borrowed(name), None);
            self.0.push(Effect::Send { name, json, actor });
        }
        Ok(())
    }

    fn push_deadline<E: Event>(
        &mut self,
        Deadline { event, due }: &Deadline<E>,
    ) -> Result<(), Error> {
        let payload = json::encode(event).map_err(|error| {
            Error::message(format!(
                "a deadline with event `{}` cannot be set: {error}",
                E::NAME
            ))
        })?;
        let mut tags = Tags::new();
        event.tags(&mut tags);
        self.0.push(Effect::Deadline {
            name: E::NAME,
            event: EventData {
                event_type: EventType::new(E::NAME),
                version: E::VERSION,
                tags,
                payload,
            },
            due: *due,
        });
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<C: Command> IntoEffects for C {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        kinds.push(EffectKind::Send(C::NAME));
    }

    fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
        effects.push_command(self)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoEffects for Deadline<E> {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        kinds.push(EffectKind::Deadline(E::NAME));
    }

    fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
        effects.push_deadline(&self)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoEffects for Reschedule<E> {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        kinds.push(EffectKind::Reschedule(E::NAME));
    }

    fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
        let (name, due) = (E::NAME, self.due);
        effects.0.push(Effect::Reschedule { name, due });
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoEffects for Cancel<E> {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        kinds.push(EffectKind::Cancel(E::NAME));
    }

    fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
        effects.0.push(Effect::Cancel { name: E::NAME });
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl IntoEffects for End {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        kinds.push(EffectKind::End);
    }

    fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
        effects.0.push(Effect::End);
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoEffects> IntoEffects for Option<T> {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        T::kinds(kinds);
    }

    fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
        self.map_or(Ok(()), |effect| effect.add_to(effects))
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoEffects> IntoEffects for Vec<T> {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        T::kinds(kinds);
    }

    fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
        self.into_iter()
            .try_for_each(|effect| effect.add_to(effects))
    }
}

#[diagnostic::do_not_recommend]
impl IntoEffects for () {
    fn kinds(_: &mut Vec<EffectKind>) {}

    fn add_to(self, _: &mut Effects) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! implement {
    ($($name:ident)+) => {
        #[diagnostic::do_not_recommend]
        impl<$($name: IntoEffects),+> IntoEffects for ($($name,)+) {
            fn kinds(kinds: &mut Vec<EffectKind>) {
                $($name::kinds(kinds);)+
            }

            #[allow(non_snake_case)]
            fn add_to(self, effects: &mut Effects) -> Result<(), Error> {
                let ($($name,)+) = self;
                $($name.add_to(effects)?;)+
                Ok(())
            }
        }
    };
}

for_tuples!(implement);
