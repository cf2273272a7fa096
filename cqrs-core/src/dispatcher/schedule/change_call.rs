use std::convert::Infallible;
use std::future::IntoFuture;

use xxhash_rust::xxh3::xxh3_64;

use super::history::{ScheduleHistory, WaitEnd};
use super::manager::{CANCELED, MOVED, Moved, event, tag_of};
use super::schedule_call::{Undated, call_fingerprint, unwritable};
use crate::auth::Actor;
use crate::decision::{CallOptions, CallOrigin, InfraError, append_failed};
use crate::dispatcher::{Dispatcher, Inner};
use crate::error::{CommandError, Failure, Invalid, Result};
use crate::message::Due;
use crate::store::{AppendError, BoxFuture, EventData};
use crate::{CommandId, ScheduleId, Timestamp};

/// A change of a scheduled command; `.await` makes it, and returns whether it came before the command was due.
/// Created by [`Dispatcher::cancel`](crate::Dispatcher::cancel) and
/// [`Dispatcher::reschedule`](crate::Dispatcher::reschedule).
#[must_use = "a scheduled command is changed when the call is awaited"]
pub struct ScheduleChangeCall<'d> {
    dispatcher: &'d Dispatcher,
    id: ScheduleId,
    change: Change,
    options: CallOptions,
}

#[derive(Clone, Copy)]
enum Change {
    Cancel,
    Move(Due),
}

impl<'d> ScheduleChangeCall<'d> {
    pub(crate) fn cancel(dispatcher: &'d Dispatcher, id: ScheduleId) -> Self {
        Self {
            dispatcher,
            id,
            change: Change::Cancel,
            options: CallOptions::default(),
        }
    }

    pub(crate) fn reschedule(dispatcher: &'d Dispatcher, id: ScheduleId) -> Undated<Self> {
        let call = Self::cancel(dispatcher, id);
        Undated::new(call, |due, call| Self {
            change: Change::Move(due),
            ..call
        })
    }

    /// Sets the id of the change. Defaults to a new one, or in a reaction to one that is the same whenever the
    /// reaction runs. A change with the same id again has no effect.
    pub fn id(mut self, id: CommandId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// Sets the actor. Defaults to none. Whoever may send the command may change when it is sent.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }
}

impl<'d> IntoFuture for ScheduleChangeCall<'d> {
    /// `false` if the command was due before, or, of a move, canceled. A command that was canceled already is
    /// canceled: `true`.
    type Output = Result<bool, CommandError<Infallible>>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let inner = &self.dispatcher.inner;
            let _active = inner.lifecycle.begin_command(self.dispatcher.caller())?;
            inner.check_schedules()?;
            let time = inner.decisions.now()?;
            let fingerprint = self.change.fingerprint(self.id);
            let origin = CallOrigin::new(&self.options, (self.change.name(), fingerprint), time);
            let is_changed = if origin.is_given && inner.has_recorded(&origin, fingerprint).await? {
                true
            } else {
                self.make(&origin, fingerprint, time).await?
            };
            origin.keep();
            Ok(is_changed)
        })
    }
}

impl ScheduleChangeCall<'_> {
    async fn make(
        &self,
        origin: &CallOrigin,
        fingerprint: u64,
        time: Timestamp,
    ) -> Result<bool, InfraError> {
        let inner = &self.dispatcher.inner;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Some(history) = ScheduleHistory::read(inner, self.id).await? else {
                let unknown = format!("no command was scheduled with the id {}", self.id);
                return Err(Invalid::new(unknown).into());
            };
            inner.authorize_change(&history.command.name, self.options.actor.as_ref())?;
            match history.end {
                None => {}
                Some(WaitEnd::Canceled) => return Ok(matches!(self.change, Change::Cancel)),
                Some(WaitEnd::Due(_)) => return Ok(false),
            }
            let event = self.change.event(self.id).map_err(unwritable)?;
            let append = origin.append(event, fingerprint, time);
            let appended = inner.append_checked(append.boundary(history.boundary()));
            match appended.await {
                Ok(_) => return Ok(true),
                // It was due, canceled or moved meanwhile.
                Err(AppendError::Conflict { at }) => {
                    if attempts >= inner.limits.decisions.attempts {
                        return Err(CommandError::Conflict { at, attempts });
                    }
                }
                Err(error) => return Err(append_failed(error)),
            }
        }
    }
}

impl Change {
    /// The wire name of its event.
    fn name(self) -> &'static str {
        match self {
            Self::Cancel => CANCELED,
            Self::Move(_) => MOVED,
        }
    }

    fn fingerprint(self, id: ScheduleId) -> u64 {
        let subject = xxh3_64(id.to_string().as_bytes());
        match self {
            Self::Cancel => subject,
            Self::Move(due) => call_fingerprint(MOVED, subject, due),
        }
    }

    fn event(self, id: ScheduleId) -> Result<EventData> {
        let tag = tag_of(id);
        match self {
            Self::Cancel => event(CANCELED, &tag, &serde_json::Map::new()),
            Self::Move(due) => event(MOVED, &tag, &Moved { due }),
        }
    }
}

impl Inner {
    /// Whether a call was recorded before.
    async fn has_recorded(
        &self,
        origin: &CallOrigin,
        fingerprint: u64,
    ) -> Result<bool, InfraError> {
        let stored = self.log.command(origin.id).await;
        let Some(stored) = stored.map_err(Failure::from)? else {
            return Ok(false);
        };
        let replayed = stored.replay(origin.id, fingerprint);
        replayed.map(|_| true).map_err(append_failed)
    }

    /// Asks the authorizer whether the actor may send the command. One that this program does not have needs no
    /// permission that it knows: it can be changed by a program without an authorizer.
    fn authorize_change(&self, command: &str, actor: Option<&Actor>) -> Result<(), InfraError> {
        match self.commands.named("command", command) {
            Ok(slot) => {
                let entry = slot.entry;
                self.authorize(entry.message, entry.permission, actor)?
                    .map_err(CommandError::Denied)
            }
            Err(unknown) if self.authorizer.is_some() => Err(CommandError::Unknown(unknown)),
            Err(_) => Ok(()),
        }
    }
}
