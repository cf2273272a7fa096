use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::instance::{AnsweredCommand, EffectOrigin, PendingCommand, PendingDeadline, raw};
use super::steps::ProcessSteps;
use crate::CommandId;
use crate::auth::Actor;
use crate::decision::{CallOptions, CommandRef, RunningReaction};
use crate::dispatcher::{Caller, Dispatcher};
use crate::error::{CommandError, Failure, Rejected, Result, is_of_newer_version};
use crate::handler::Rejection;
use crate::panic::Guarded;
use crate::store::{
    Append, AppendError, Boundary, EventData, EventLog, EventQuery, Incarnation, Position,
    ReadRange, Tags, check_seen,
};
use crate::subscription::{Backoff, Phase, unless};

/// The tasks of a process manager, which send its commands and record the events of its deadlines.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) steps: Arc<ProcessSteps>,
    pub(super) dispatcher: Dispatcher,
    /// What the tasks have come to, for the follower.
    pub(super) reports: TaskReports,
}

/// What tasks have come to.
#[derive(Clone, Default)]
pub(super) struct TaskReports {
    reports: Arc<Mutex<Vec<TaskReport>>>,
    /// Wakes the follower.
    pub(super) wake: Arc<Notify>,
}

/// What a task has come to, with an instance's key.
pub(super) enum TaskReport {
    /// The command has had its effect, or its rejection is recorded.
    Sent(String, AnsweredCommand),
    /// The next attempt follows after a pause.
    Retried(String, u32, String),
    /// Nothing is left to send, or the next command can not be carried out for now.
    Ended(String, Option<Unsent>),
    /// The event of a deadline is recorded.
    Fired,
    /// Other events are to be handled before the deadline's, or the store has failed.
    Postponed(String),
    /// The event of a deadline cannot be recorded.
    Unfired(String, Unsent),
}

/// A command that was not carried out, or the event of a deadline that was not recorded.
pub(super) struct Unsent {
    pub(super) error: String,
    /// Its id. `None` for the first command of the instance.
    pub(super) id: Option<CommandId>,
    /// Whether it needs an event that is newer than this program.
    pub(super) is_outdated: bool,
}

/// The place in the log after which no event may concern the instance of a deadline.
#[derive(Clone, Copy)]
pub(super) struct HandledUpTo {
    pub(super) position: Position,
    pub(super) incarnation: Incarnation,
}

/// The reason that a command was not carried out.
enum Undelivered {
    /// The next attempt may succeed.
    Failed(String),
    /// It needs an event that is newer than this program.
    Outdated(String),
    /// Nothing takes the rejection.
    Rejected(String),
}

/// The reason that the event of a deadline was not recorded.
enum Unrecorded {
    /// There are other events to handle before it, or the store has failed.
    Postponed,
    /// An aggregate that folds it has an event that is newer than this program.
    Outdated(String),
    Failed(String),
}

impl TaskReports {
    fn add(&self, report: TaskReport) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push(report);
        self.wake.notify_one();
    }

    pub(super) fn take(&self) -> Vec<TaskReport> {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *reports)
    }
}

impl Sender {
    /// Sends the commands of an instance, one after the other.
    pub(super) async fn send_all(self, key: String, commands: Vec<PendingCommand>) {
        let sending = self.send_each(&key, commands);
        let sent = Guarded(Box::pin(sending)).await;
        // A panic of its own code, or of a `Drop` of the program's.
        let unsent = sent.unwrap_or_else(|panic| {
            Some(Unsent {
                error: format!("it panicked: {panic}"),
                id: None,
                is_outdated: false,
            })
        });
        self.reports.add(TaskReport::Ended(key, unsent));
    }

    async fn send_each(&self, key: &str, commands: Vec<PendingCommand>) -> Option<Unsent> {
        let limits = &self.dispatcher.inner.limits;
        for command in commands {
            let mut backoff = Backoff::default();
            let started = Instant::now();
            loop {
                if self.dispatcher.inner.lifecycle.is_draining() {
                    return None;
                }
                let error = match self.send(key, &command).await {
                    Ok(answered) => {
                        self.reports.add(TaskReport::Sent(key.to_owned(), answered));
                        break;
                    }
                    Err(Undelivered::Failed(error)) => error,
                    Err(Undelivered::Outdated(error)) => {
                        return Some(Unsent {
                            is_outdated: true,
                            ..unsent(&command, &error)
                        });
                    }
                    Err(Undelivered::Rejected(error)) => return Some(unsent(&command, &error)),
                };
                let attempts = backoff.failed();
                if started.elapsed() >= limits.retry_for {
                    return Some(unsent(&command, &error));
                }
                let retried =
                    TaskReport::Retried(key.to_owned(), attempts, describe(&command, &error));
                self.reports.add(retried);
                let _ = unless(self.draining(), sleep(backoff.pause())).await;
            }
        }
        None
    }

    /// Waits until the process is about to end.
    async fn draining(&self) {
        let mut phases = self.dispatcher.inner.lifecycle.watch();
        // An error would mean that the sender is gone, but the dispatcher has it.
        let _ = phases.wait_for(|phase| *phase != Phase::Running).await;
    }

    /// Sends a command. If it is rejected and there is a step for that, records the rejection.
    async fn send(
        &self,
        key: &str,
        command: &PendingCommand,
    ) -> Result<AnsweredCommand, Undelivered> {
        let EffectOrigin {
            event,
            command: origin,
            correlation,
            ref metadata,
            ..
        } = command.origin;
        let inner = &self.dispatcher.inner;
        let origin = CommandRef {
            store: inner.log.heads().log_id(),
            command: origin,
        };
        let name = self.steps.entry.name;
        let running =
            RunningReaction::resumed(name, origin, event, (correlation, metadata.clone()));
        let carried_out = inner.decisions.running(name, self.carry_out(key, command));
        let rejection = running.run(carried_out).await?;
        let id = command.id;
        Ok(AnsweredCommand { id, rejection })
    }

    /// Returns the position of the rejection, if it was rejected.
    async fn carry_out(
        &self,
        key: &str,
        command: &PendingCommand,
    ) -> Result<Option<Position>, Undelivered> {
        let inner = &self.dispatcher.inner;
        let slot = inner
            .commands
            .named("command", &command.name)
            .map_err(failed)?;
        let entry = slot.entry;
        let given = command.actor.clone().map(Actor::from);
        let actor = given.or_else(|| self.own_actor().cloned());
        let allowed = inner.authorize(entry.message, entry.permission, actor.as_ref());
        allowed.map_err(failed)?.map_err(failed)?;
        let parsed = (entry.parse)(command.json.get().as_bytes(), inner.limits.message)
            .map_err(failed)?
            .map_err(failed)?;
        let options = CallOptions {
            id: Some(command.id),
            actor,
            // The span of the command continues the trace of the event.
            metadata: command.origin.metadata.clone(),
            ..CallOptions::default()
        };
        let executed = inner.execute_erased(&*parsed, slot, Caller::Reaction, &options);
        match executed.await {
            Ok(Some(receipt)) if receipt.replayed() => {
                let earlier = self.earlier_rejection(command, receipt.last());
                return earlier.await.map_err(failed);
            }
            Ok(Some(_)) => return Ok(None),
            Ok(None) => {}
            // The command may have been carried out with another JSON, by an earlier version of its type.
            Err(error @ CommandError::Invalid(_)) => {
                return match inner.log.command(command.id).await {
                    Ok(Some(stored)) => {
                        let earlier = self.earlier_rejection(command, stored.last);
                        earlier.await.map_err(failed)
                    }
                    _ => Err(failed(error)),
                };
            }
            Err(error) if is_of_newer_version(&error) => {
                return Err(Undelivered::Outdated(error.to_string()));
            }
            Err(error) => return Err(failed(error)),
        }
        let rejected = match parsed.refusal(entry.name) {
            CommandError::Rejected(rejected) => rejected,
            error => return Err(failed(error)),
        };
        let fingerprint = parsed.fingerprint().map_err(failed)?.map_err(failed)?;
        let Some(reason) = self.steps.rejected(&command.name) else {
            return Err(Undelivered::Rejected(rejected.to_string()));
        };
        let recorded = self.reject(key, command, fingerprint, &rejected, reason(&rejected));
        recorded.await.map_err(failed)
    }

    /// The actor of the process manager itself.
    fn own_actor(&self) -> Option<&Actor> {
        self.dispatcher.inner.senders.of(self.steps.entry.name)
    }

    /// The position of the event that a command was rejected, if that is what was recorded under its id before,
    /// up to `last`.
    async fn earlier_rejection(
        &self,
        command: &PendingCommand,
        last: Position,
    ) -> Result<Option<Position>> {
        let range = ReadRange {
            limit: 1,
            up_to: Some(last),
            ..ReadRange::after(last.before())
        };
        let log = &self.dispatcher.inner.log;
        let page = log.read(EventQuery::All, range).await?;
        check_seen(page.as_of, last)?;
        let mut events = page.events.iter();
        let rejection =
            events.find(|event| event.meta.command == command.id && self.steps.is_rejection(event));
        Ok(rejection.map(|event| event.position))
    }

    /// Records under the command's own id that it was rejected. So the log decides once which of the two it
    /// was, also if another process sends the command, before or after: whoever comes second finds the id, and
    /// has no effect. Returns the position of the rejection.
    async fn reject(
        &self,
        key: &str,
        command: &PendingCommand,
        fingerprint: u64,
        rejected: &Rejected,
        reason: Result<Vec<u8>>,
    ) -> Result<Option<Position>> {
        let reason = Some(reason?).filter(|reason| !reason.is_empty());
        let payload = Rejection {
            name: command.name.clone(),
            command: command.json.clone(),
            text: rejected.to_string(),
            reason: reason.map(raw).transpose()?,
        };
        let event = EventData {
            event_type: self.steps.rejection.clone(),
            version: 1,
            tags: Tags::from(self.steps.tag(key)),
            payload: serde_json::to_vec(&payload)?,
        };
        let inner = &self.dispatcher.inner;
        let mut append = Append::at_time(command.id, vec![event], inner.decisions.now()?)
            .fingerprint(fingerprint)
            .correlation(command.origin.correlation)
            .caused_by(command.origin.event)
            .metadata(command.origin.metadata.clone());
        append.actor = self.own_actor().map(|actor| actor.name().to_owned());
        inner.log.capabilities().limits.check(&append)?;
        let appended = inner.log.append(append).await?;
        if appended.replayed {
            return self.earlier_rejection(command, appended.last).await;
        }
        Ok(Some(appended.last))
    }

    /// Records the event of a deadline, unless there are other events to handle before it.
    pub(super) async fn fire(self, key: String, deadline: PendingDeadline, handled: HandledUpTo) {
        let fired = Guarded(Box::pin(self.record(&key, &deadline, handled))).await;
        let (error, is_outdated) = match fired {
            Ok(Ok(())) => return self.reports.add(TaskReport::Fired),
            Ok(Err(Unrecorded::Postponed)) => {
                // The other events are about to arrive; and a store that has failed is not to be asked at once.
                sleep(POSTPONEMENT).await;
                return self.reports.add(TaskReport::Postponed(key));
            }
            Ok(Err(Unrecorded::Outdated(error))) => (error, true),
            Ok(Err(Unrecorded::Failed(error))) | Err(error) => (error, false),
        };
        let unsent = Unsent {
            error: describe_deadline(self.steps.deadline_name(&deadline), &error),
            id: Some(deadline.id),
            is_outdated,
        };
        self.reports.add(TaskReport::Unfired(key, unsent));
    }

    async fn record(
        &self,
        key: &str,
        deadline: &PendingDeadline,
        handled: HandledUpTo,
    ) -> Result<(), Unrecorded> {
        let inner = &self.dispatcher.inner;
        let begun = inner.lifecycle.begin_command(Caller::Reaction);
        let _active = begun.map_err(|_| Unrecorded::Postponed)?;
        let time = inner.decisions.now().map_err(|_| Unrecorded::Postponed)?;
        let HandledUpTo {
            position,
            incarnation,
        } = handled;
        let others = self.steps.query_of(&self.steps.tag(key));
        let present = self.steps.deadline_event(deadline);
        let mut append = Append::at_time(deadline.id, present.into_iter().collect(), time)
            .correlation(deadline.origin.correlation)
            .caused_by(deadline.origin.event)
            .metadata(deadline.origin.metadata.clone())
            .boundary(Boundary::new(others, position).incarnation(incarnation));
        append.actor = self.own_actor().map(|actor| actor.name().to_owned());
        let checked = inner.decisions.check_folds(&append, self.steps.entry.name);
        checked.await.map_err(|failure| match failure {
            Failure::Store(_) => Unrecorded::Postponed,
            failure if is_of_newer_version(&failure) => Unrecorded::Outdated(failure.to_string()),
            failure => Unrecorded::Failed(failure.to_string()),
        })?;
        append.events = vec![self.steps.unconverted(deadline)];
        inner.log.capabilities().limits.check(&append)?;
        inner.log.append(append).await?;
        Ok(())
    }
}

impl From<AppendError> for Unrecorded {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { .. }
            | AppendError::Overloaded { .. }
            | AppendError::Indeterminate { .. }
            | AppendError::Store(_) => Self::Postponed,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// The pause before a deadline is looked at again.
const POSTPONEMENT: Duration = Duration::from_millis(20);

fn failed(error: impl Display) -> Undelivered {
    Undelivered::Failed(error.to_string())
}

fn unsent(command: &PendingCommand, error: &str) -> Unsent {
    Unsent {
        error: describe(command, error),
        id: Some(command.id),
        is_outdated: false,
    }
}

fn describe(command: &PendingCommand, error: &str) -> String {
    format!(
        "its command `{}`, sent because of the event at position {}, was not carried out: {error}",
        command.name, command.origin.position
    )
}

fn describe_deadline(name: &str, error: &str) -> String {
    format!("the event `{name}` of its deadline cannot be recorded: {error}")
}
