use std::any::type_name;
use std::convert::Infallible;
use std::future::IntoFuture;
use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::manager::{DelayedCommand, SCHEDULED, event, tag_of};
use crate::auth::Actor;
use crate::decision::{CallOptions, CallOrigin, CommandSlot, InfraError, append_failed};
use crate::dispatcher::{Dispatcher, Inner};
use crate::error::{CommandError, Error, Failure, Invalid, Result};
use crate::json;
use crate::message::{Command, Due};
use crate::panic::{guarded, method};
use crate::store::{Append, AppendError, Appended, BoxFuture, CustomMetadata, Recorded};
use crate::{CommandId, ScheduleId, Timestamp};

/// A call that needs a time: [`at`](Self::at) or [`after`](Self::after). Created by
/// [`Dispatcher::schedule`](crate::Dispatcher::schedule) and
/// [`Dispatcher::reschedule`](crate::Dispatcher::reschedule).
#[must_use = "nothing is scheduled without `.at(time)` or `.after(duration)`"]
pub struct Undated<Call> {
    complete: fn(Due, Call) -> Call,
    call: Call,
}

impl<Call> Undated<Call> {
    pub(super) fn new(call: Call, complete: fn(Due, Call) -> Call) -> Self {
        Self { complete, call }
    }

    /// Sets the time, by the clock of the process that carries out the command. A past one is due at once.
    pub fn at(self, time: Timestamp) -> Call {
        (self.complete)(Due::At(time), self.call)
    }

    /// Sets the time, by the duration after this call is recorded.
    pub fn after(self, duration: Duration) -> Call {
        (self.complete)(Due::After(duration), self.call)
    }
}

/// A command about to be scheduled; `.await` schedules it. Created by
/// [`Dispatcher::schedule`](crate::Dispatcher::schedule).
#[must_use = "a command is scheduled when the call is awaited"]
pub struct ScheduleCall<'d> {
    dispatcher: &'d Dispatcher,
    command: Result<NamedCommand<'d>, InfraError>,
    due: Due,
    options: CallOptions,
}

/// A command as JSON, with its handler.
struct NamedCommand<'d> {
    slot: &'d CommandSlot,
    json: Vec<u8>,
}

impl<'d> NamedCommand<'d> {
    fn new<C: Command>(dispatcher: &'d Dispatcher, command: &C) -> Result<Self, InfraError> {
        let (_, slot) = dispatcher.inner.command::<C>()?;
        let encoded = guarded(
            || method(type_name::<C>(), "serialize"),
            || json::encode(command),
        )?;
        let json = encoded.map_err(Invalid::from)?;
        Ok(Self { slot, json })
    }

    fn named(dispatcher: &'d Dispatcher, name: &str, json: &[u8]) -> Result<Self, InfraError> {
        let slot = dispatcher.inner.commands.named("command", name);
        // As it is parsed.
        let is_empty = json.trim_ascii().is_empty();
        Ok(Self {
            slot: slot.map_err(CommandError::Unknown)?,
            json: if is_empty { b"{}" } else { json }.to_vec(),
        })
    }
}

impl<'d> ScheduleCall<'d> {
    pub(crate) fn new<C: Command>(dispatcher: &'d Dispatcher, command: &C) -> Undated<Self> {
        Self::of(dispatcher, NamedCommand::new(dispatcher, command))
    }

    pub(crate) fn named(dispatcher: &'d Dispatcher, name: &str, json: &[u8]) -> Undated<Self> {
        Self::of(dispatcher, NamedCommand::named(dispatcher, name, json))
    }

    fn of(
        dispatcher: &'d Dispatcher,
        command: Result<NamedCommand<'d>, InfraError>,
    ) -> Undated<Self> {
        let call = Self {
            dispatcher,
            command,
            due: Due::After(Duration::ZERO),
            options: CallOptions::default(),
        };
        Undated::new(call, |due, call| Self { due, ..call })
    }

    /// Sets the id of the call, which becomes that of the scheduled command. Defaults to a new one, or in a
    /// reaction to one that is the same whenever the reaction runs. Scheduling with the same id again has no
    /// effect.
    pub fn id(mut self, id: CommandId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// Sets the actor, which sends the command once it is due, with the permissions that it holds now. Defaults
    /// to none. The authorizer is asked when the command is scheduled, and again when it is due.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }

    /// Adds custom metadata, which the scheduled command inherits.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.metadata.set(key, value);
        self
    }

    /// Sets all custom metadata.
    pub fn with_metadata(mut self, metadata: CustomMetadata) -> Self {
        self.options.metadata = metadata;
        self
    }

    /// Sets the id of the conversation that the command belongs to. Defaults to the id of the call.
    pub fn correlation(mut self, correlation: Uuid) -> Self {
        self.options.correlation = Some(correlation);
        self
    }

    /// Sets the event because of which the command is scheduled. The command joins the event's conversation.
    pub fn caused_by(mut self, event: &Recorded) -> Self {
        self.options.causation = Some(event.meta.id.as_uuid());
        self.options.correlation = Some(event.meta.correlation);
        self
    }
}

impl<'d> IntoFuture for ScheduleCall<'d> {
    type Output = Result<ScheduleId, CommandError<Infallible>>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            dispatcher,
            command,
            due,
            options,
        } = self;
        Box::pin(async move {
            let inner = &dispatcher.inner;
            let NamedCommand { slot, json } = command?;
            let entry = slot.entry;
            inner
                .authorize(entry.message, entry.permission, options.actor.as_ref())?
                .map_err(CommandError::Denied)?;
            inner.check_schedules()?;
            let _active = inner.lifecycle.begin_command(dispatcher.caller())?;
            // As it will be once it is due.
            let parsed = (entry.parse)(&json, inner.limits.message)??;
            parsed.check()??;
            options.metadata.check().map_err(Invalid::new)?;
            let fingerprint = call_fingerprint(SCHEDULED, parsed.fingerprint()??, due);
            let time = inner.decisions.now()?;
            let origin = CallOrigin::new(&options, (entry.message, fingerprint), time);
            let id = ScheduleId::from(origin.id);
            let scheduled = DelayedCommand {
                name: entry.message.to_owned(),
                command: raw(json).map_err(unwritable)?,
                actor: options.actor.as_ref().map(|actor| actor.data().clone()),
                due,
            };
            let event = event(SCHEDULED, &tag_of(id), &scheduled).map_err(unwritable)?;
            let append = origin.append(event, fingerprint, time);
            inner.append_checked(append).await.map_err(append_failed)?;
            origin.keep();
            Ok(id)
        })
    }
}

fn raw(json: Vec<u8>) -> Result<Box<RawValue>> {
    Ok(RawValue::from_string(String::from_utf8(json)?)?)
}

/// The error of what is JSON, and cannot be written as such.
pub(super) fn unwritable(error: Error) -> Failure {
    Failure::handler("schedule", error)
}

/// Hash of what a call is to do, to tell a repeated call from another one with its id.
pub(super) fn call_fingerprint(kind: &str, subject: u64, due: Due) -> u64 {
    let mut text = kind.as_bytes().to_vec();
    text.extend(subject.to_le_bytes());
    match due {
        Due::At(time) => {
            text.push(0);
            text.extend(time.as_nanosecond().to_le_bytes());
        }
        Due::After(duration) => {
            text.push(1);
            text.extend(duration.as_nanos().to_le_bytes());
        }
    }
    xxh3_64(&text)
}

impl Inner {
    /// # Errors
    /// [`Failure::NoSchedules`] unless commands can be scheduled.
    pub(super) fn check_schedules(&self) -> Result<(), Failure> {
        if self.schedules {
            return Ok(());
        }
        Err(Failure::NoSchedules)
    }

    /// Appends what is within the limits of the log.
    pub(super) async fn append_checked(&self, append: Append) -> Result<Appended, AppendError> {
        self.log.capabilities().limits.check(&append)?;
        self.log.append(append).await
    }
}
