use std::future::IntoFuture;

use serde_json::Value;

use super::history::{ScheduleHistory, WaitEnd};
use super::manager::{DelayedCommand, MANAGER};
use crate::auth::{Action, Actor};
use crate::dispatcher::{Dispatcher, Inner};
use crate::error::{Failure, QueryError};
use crate::store::BoxFuture;
use crate::{ScheduleId, Timestamp};

/// A look at a scheduled command, which `.await` takes. Created by
/// [`Dispatcher::scheduled`](crate::Dispatcher::scheduled).
#[must_use = "the scheduled command is read when the call is awaited"]
pub struct ScheduledCall<'d> {
    dispatcher: &'d Dispatcher,
    id: ScheduleId,
    actor: Option<Actor>,
}

/// A scheduled command, as the log has it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scheduled {
    /// The command's wire name.
    pub command: String,
    /// The command as JSON.
    pub json: Value,
    /// The name of the actor that sends it.
    pub actor: Option<String>,
    /// The time at which it is, or was, due.
    pub due: Timestamp,
    /// What has become of it.
    pub state: ScheduleState,
}

/// What has become of a scheduled command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduleState {
    /// It waits for its time.
    Waiting,
    /// It was canceled in time.
    Canceled,
    /// It was due, and is being sent. If it keeps failing, it is parked, as
    /// [`Subscriptions::parked`](crate::app::Subscriptions::parked) of `scheduled-commands` shows.
    Due,
    /// It was carried out.
    Done,
    /// It was rejected, for this reason.
    Rejected(String),
}

impl<'d> ScheduledCall<'d> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, id: ScheduleId) -> Self {
        Self {
            dispatcher,
            id,
            actor: None,
        }
    }

    /// Sets the actor that looks. Defaults to none. The authorizer is asked if
    /// [`Builder::log_permission`](crate::app::Builder::log_permission) names a permission.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }
}

impl Scheduled {
    fn new(history: ScheduleHistory, state: ScheduleState) -> Self {
        let DelayedCommand {
            name,
            command,
            actor,
            ..
        } = history.command;
        Self {
            command: name,
            json: serde_json::from_str(command.get()).unwrap_or_default(),
            actor: actor.map(|actor| actor.name),
            due: history.due,
            state,
        }
    }
}

impl<'d> IntoFuture for ScheduledCall<'d> {
    /// `None` if no command was scheduled with this id.
    type Output = Result<Option<Scheduled>, QueryError>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let inner = &self.dispatcher.inner;
            let permission = inner.log_permission;
            inner.permit(Action::Read, MANAGER.name, permission, self.actor.as_ref())??;
            loop {
                let Some(history) = ScheduleHistory::read(inner, self.id).await? else {
                    return Ok(None);
                };
                if let Some(state) = state(inner, &history).await? {
                    return Ok(Some(Scheduled::new(history, state)));
                }
            }
        })
    }
}

/// What has become of a command with these events. `None` if its outcome was recorded after these were read: it
/// may be a rejection.
async fn state(inner: &Inner, history: &ScheduleHistory) -> Result<Option<ScheduleState>, Failure> {
    let sent = match (&history.rejection, &history.end) {
        (Some(reason), _) => return Ok(Some(ScheduleState::Rejected(reason.clone()))),
        (None, None) => return Ok(Some(ScheduleState::Waiting)),
        (None, Some(WaitEnd::Canceled)) => return Ok(Some(ScheduleState::Canceled)),
        (None, Some(WaitEnd::Due(sent))) => *sent,
    };
    Ok(match inner.log.command(sent).await? {
        None => Some(ScheduleState::Due),
        Some(stored) => (stored.last <= history.as_of()).then_some(ScheduleState::Done),
    })
}
