use std::collections::BTreeSet;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::failure::IntoHandlerError;
use crate::error::{Error, Rejected, Result};
use crate::json::{self, Json};
use crate::message::{AggregateId, Command, EffectKind, Effects, IntoEffects};
use crate::source::Source;
use crate::store::{Recorded, Tag};

/// A process manager: a conversation of several events and commands over time. `#[process_manager]`
/// implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process manager",
    label = "this type has no `#[process_manager(..)] impl`",
    note = "write `#[process_manager(name = \"..\", id(Order = OrderId))] impl {Self} {{ #[start] fn .. }}`"
)]
pub trait ProcessManager: ProcessState {
    /// The type of an instance's id.
    type Id: AggregateId;
    /// The name, by which instances are stored.
    const NAME: &'static str;
    /// The name in the store, if that is an earlier one.
    const WAS: Option<&'static str> = None;
    /// The name of the tag whose id an instance has: that of `#[id(Order)]` is `order`.
    const KEY: &'static str;
    /// Hash of the `impl` block.
    const FINGERPRINT: u64;
    /// The place of the `impl` block in the source.
    const SOURCE: Source;
    /// How long an ended instance is kept, if the attribute says so.
    const KEEP: Option<Duration> = None;

    /// The marked methods.
    fn steps() -> Vec<Step<Self>>;
}

/// The state of a process manager.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the state of a process manager",
    label = "has no `Default`, no `Serialize`, or no `Deserialize`",
    note = "add `#[derive(Default, Serialize, Deserialize)]` to `{Self}`: an instance begins with the \
            default, and is kept as JSON",
    note = "it is also `Send` and `Sync`, as it has no references"
)]
pub trait ProcessState: Sized + Send + Sync + 'static {
    /// The state of an instance that begins.
    fn initial() -> Self;

    /// The state as JSON.
    ///
    /// # Errors
    /// When it could not be read back. The error names the field.
    fn save(&self) -> Result<Vec<u8>>;

    /// The state from JSON.
    ///
    /// # Errors
    /// When the JSON does not fit the type. The error names the field.
    fn restore(json: &[u8]) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<P> ProcessState for P
where
    P: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    fn initial() -> Self {
        Self::default()
    }

    fn save(&self) -> Result<Vec<u8>> {
        json::encode(self)
            .map_err(|error| Error::message(format!("its state cannot be stored: {error}")))
    }

    fn restore(json: &[u8]) -> Result<Self> {
        json::decode(json)
            .map_err(|error| Error::message(format!("its stored state cannot be read: {error}")))
    }
}

/// A marked method of a process manager.
pub struct Step<P> {
    /// The method's name.
    pub name: &'static str,
    /// The method's line in the source.
    pub line: u32,
    /// What it is called for.
    pub kind: StepKind,
    /// The wire name of its event. `None` for a rejected command.
    pub event: Option<&'static str>,
    /// The effects that it may have.
    pub effects: fn() -> Vec<EffectKind>,
    /// Decodes the event and calls the method.
    pub run: fn(&mut P, &StepScope<'_>) -> Result<Effects>,
}

/// What a step is called for.
#[derive(Clone, Copy, Debug)]
pub enum StepKind {
    /// An event that begins an instance.
    Start,
    /// Another event.
    On,
    /// The event of a deadline.
    Due,
    /// The rejection of a command that another step sends.
    Rejected {
        /// The command's wire name.
        command: &'static str,
        /// [`RejectionReason::save`] of the reason that the method takes.
        reason: fn(&Rejected) -> Result<Vec<u8>>,
    },
}

/// In a [`StepKind::Rejected`], in place of a command that has no step of its own.
pub(crate) const ANY_COMMAND: &str = "*";

/// The source of a step's inputs.
pub struct StepScope<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) tag: &'a Tag,
}

impl<'a> StepScope<'a> {
    /// The event.
    pub fn recorded(&self) -> &'a Recorded {
        self.recorded
    }

    /// The tag of the instance.
    pub fn tag(&self) -> &'a Tag {
        self.tag
    }

    /// The rejected command.
    ///
    /// # Errors
    /// When its JSON does not fit `C`.
    pub fn command<C: Command>(&self) -> Result<C> {
        let rejection = self.rejection()?;
        json::decode(rejection.command.get().as_bytes()).map_err(|error| {
            Error::message(format!(
                "the rejected command `{}` cannot be read: {error}",
                C::NAME
            ))
        })
    }

    /// The reason of the rejection.
    ///
    /// # Errors
    /// When it does not fit `R`.
    pub fn reason<R: RejectionReason>(&self) -> Result<R> {
        let Rejection { text, reason, .. } = self.rejection()?;
        R::restore(&text, reason.as_deref().map(RawValue::get))
    }

    fn rejection(&self) -> Result<Rejection> {
        Rejection::read(self.recorded)
    }
}

/// The payload of the event that records that a command was rejected.
#[derive(Serialize, Deserialize)]
pub(crate) struct Rejection {
    /// The command's wire name.
    pub(crate) name: String,
    pub(crate) command: Box<RawValue>,
    /// The reason's text.
    pub(crate) text: String,
    /// The reason as JSON, unless it is a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Box<RawValue>>,
}

impl Rejection {
    pub(crate) fn read(recorded: &Recorded) -> Result<Self> {
        serde_json::from_slice(&recorded.data.payload).map_err(|error| {
            Error::message(format!(
                "event `{}` at position {} cannot be read: {error}",
                recorded.data.event_type, recorded.position
            ))
        })
    }
}

/// The reason of a rejected command: its error, or [`Rejected`], which has the error's text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reason of a rejected command",
    label = "has no `Serialize` or no `Deserialize`, or is no error",
    note = "a rejection is recorded in the log: add `#[derive(Serialize, Deserialize)]` to `{Self}`, or \
            take `&Rejected`, which has its text"
)]
pub trait RejectionReason: Sized {
    /// The type that a reason of a command with the error `E` has: `E`, except for [`Rejected`].
    type For<E>;

    /// The reason as JSON. Empty for a text, which is recorded anyway.
    ///
    /// # Errors
    /// When the reason could not be read back. The error names the field.
    fn save(rejected: &Rejected) -> Result<Vec<u8>>;

    /// The reason of the rejection.
    ///
    /// # Errors
    /// When it does not fit the type.
    fn take(scope: &StepScope<'_>) -> Result<Self> {
        scope.reason()
    }

    /// The reason from its text and its JSON.
    ///
    /// # Errors
    /// When the JSON does not fit the type.
    fn restore(text: &str, json: Option<&str>) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl RejectionReason for Rejected {
    type For<E> = Self;

    fn save(_: &Rejected) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn restore(text: &str, _: Option<&str>) -> Result<Self> {
        Ok(text.to_owned().into())
    }
}

#[diagnostic::do_not_recommend]
impl<R: std::error::Error + Json + 'static> RejectionReason for R {
    type For<E> = E;

    fn save(rejected: &Rejected) -> Result<Vec<u8>> {
        let reason = rejected.downcast_ref::<R>().ok_or_else(|| {
            Error::message(format!(
                "the reason of a rejected command is not a `{}`: {rejected}",
                std::any::type_name::<R>()
            ))
        })?;
        json::encode(reason).map_err(|error| {
            Error::message(format!("the reason `{reason}` cannot be recorded: {error}"))
        })
    }

    fn restore(text: &str, json: Option<&str>) -> Result<Self> {
        let json = json.ok_or_else(|| {
            Error::message(format!(
                "the reason `{text}` was recorded as a text: take `&Rejected`"
            ))
        })?;
        json::decode(json.as_bytes())
            .map_err(|error| Error::message(format!("the reason `{text}` cannot be read: {error}")))
    }
}

/// The return type of a step.
#[diagnostic::on_unimplemented(
    message = "a step of a process manager cannot return `{Self}`",
    label = "neither an effect nor anything that holds effects",
    note = "return nothing, a command (`#[derive(Command)]`), `Deadline<..>`, `Reschedule<..>`, \
            `Cancel<..>`, `End`, or an `Option`, `Vec` or tuple of these; bare or in a `Result`"
)]
pub trait IntoStep {
    /// The effects that it may have, each once.
    fn kinds() -> Vec<EffectKind>;

    /// The effects.
    ///
    /// # Errors
    /// The method's error, or an error about a command or an event that cannot be written as JSON.
    fn into_effects(self) -> Result<Effects>;
}

impl<T: StepOutput<Form: StepForm>> IntoStep for T {
    fn kinds() -> Vec<EffectKind> {
        let mut kinds = Vec::new();
        T::Form::kinds(&mut kinds);
        let each_once: BTreeSet<EffectKind> = kinds.into_iter().collect();
        each_once.into_iter().collect()
    }

    fn into_effects(self) -> Result<Effects> {
        self.into_form().into_effects()
    }
}

/// Distinguishes a `Result` from bare effects, so that a compile error is about the part that is wrong.
pub trait StepOutput {
    /// A `Result`, or [`BareEffects`].
    type Form;

    /// Converts the value into its form.
    fn into_form(self) -> Self::Form;
}

/// Effects outside of a `Result`.
pub struct BareEffects<T>(T);

#[diagnostic::do_not_recommend]
impl<T: IntoEffects> StepOutput for T {
    type Form = BareEffects<T>;

    fn into_form(self) -> BareEffects<T> {
        BareEffects(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T, E> StepOutput for Result<T, E> {
    type Form = Self;

    fn into_form(self) -> Self {
        self
    }
}

/// The form of an [`IntoStep`].
pub trait StepForm {
    /// Adds the effects that it may have.
    fn kinds(kinds: &mut Vec<EffectKind>);

    /// The effects.
    ///
    /// # Errors
    /// As [`IntoStep::into_effects`].
    fn into_effects(self) -> Result<Effects>;
}

impl<T: IntoEffects> StepForm for BareEffects<T> {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        T::kinds(kinds);
    }

    fn into_effects(self) -> Result<Effects> {
        let mut effects = Effects::default();
        self.0.add_to(&mut effects)?;
        Ok(effects)
    }
}

impl<T: IntoEffects, E: IntoHandlerError> StepForm for Result<T, E> {
    fn kinds(kinds: &mut Vec<EffectKind>) {
        T::kinds(kinds);
    }

    fn into_effects(self) -> Result<Effects> {
        BareEffects(self.map_err(IntoHandlerError::into_error)?).into_effects()
    }
}

/// A process manager without its type. Between two steps, its state is JSON.
pub(crate) trait ErasedProcess: Send + Sync {
    /// Runs a step on a state, `None` for an instance that begins, and returns the new one.
    ///
    /// # Errors
    /// The step's, or when the state cannot be read or written as JSON.
    fn run(
        &self,
        step: usize,
        state: Option<&[u8]>,
        scope: &StepScope<'_>,
    ) -> Result<(Vec<u8>, Effects)>;
}

/// The steps of a process manager.
pub(crate) struct TypedProcess<P>(Vec<Step<P>>);

impl<P: ProcessManager> TypedProcess<P> {
    pub(crate) fn new() -> Self {
        Self(P::steps())
    }
}

impl<P: ProcessManager> ErasedProcess for TypedProcess<P> {
    fn run(
        &self,
        step: usize,
        state: Option<&[u8]>,
        scope: &StepScope<'_>,
    ) -> Result<(Vec<u8>, Effects)> {
        let mut process = state.map_or_else(|| Ok(P::initial()), P::restore)?;
        let effects = (self.0[step].run)(&mut process, scope)?;
        Ok((process.save()?, effects))
    }
}
