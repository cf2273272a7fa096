use std::future::IntoFuture;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::instance::Instance;
use super::steps::{ProcessSteps, Unhandled};
use super::table::InstanceTable;
use crate::auth::{Action, Actor};
use crate::dispatcher::{Dispatcher, History, Inner};
use crate::error::{Failure, QueryError, Unknown};
use crate::handler::ProcessManager;
use crate::message::AggregateId;
use crate::panic::panic_message;
use crate::registry::ProcessEntry;
use crate::store::{BoxFuture, Position, StoreError};
use crate::{CommandId, Timestamp};

/// A look at an instance of a process manager, which `.await` takes. Created by
/// [`Dispatcher::process`](crate::Dispatcher::process).
#[must_use = "the instance is read when the call is awaited"]
pub struct ProcessCall<'d, P> {
    pub(super) dispatcher: &'d Dispatcher,
    pub(super) entry: &'static ProcessEntry,
    /// The id's text, or the message of its `Display`'s panic.
    key: Result<String, String>,
    actor: Option<Actor>,
    of: PhantomData<fn() -> P>,
}

/// An instance of a process manager, as of the last event that it has handled.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Process<P> {
    /// The state.
    pub state: P,
    /// Position of the event that it began with.
    pub started: Position,
    /// Position of the last event that it has handled.
    pub position: Position,
    /// Position of the event that it ended with, and the time. Commands that it has sent may still be rejected
    /// after that.
    pub ended: Option<(Position, Timestamp)>,
    /// Number of events after its end, without rejections of its commands.
    pub late: u64,
    /// The commands that are not carried out yet, in order. Their time is that of their event.
    pub commands: Vec<PendingEffect>,
    /// The deadlines that it waits for. Their time is that at which they are due.
    pub deadlines: Vec<PendingEffect>,
}

/// A command that an instance of a process manager is about to send, or a deadline that it waits for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PendingEffect {
    /// The wire name of the command, or of the deadline's event.
    pub name: String,
    /// The command or the event as JSON.
    pub json: Value,
    /// The id under which the command is sent, or the event recorded.
    pub id: CommandId,
    /// Position of the event that is its cause.
    pub cause: Position,
    /// The time at which a deadline is due.
    pub due: Option<Timestamp>,
}

impl<'d, P: ProcessManager<Id: AggregateId>> ProcessCall<'d, P> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, id: &P::Id) -> Self {
        let key = catch_unwind(AssertUnwindSafe(|| id.tag(P::KEY).id().to_owned()));
        Self {
            dispatcher,
            entry: const { &ProcessEntry::of::<P>() },
            key: key.map_err(|panic| panic_message(&*panic)),
            actor: None,
            of: PhantomData,
        }
    }
}

impl<'d> ProcessCall<'d, Value> {
    pub(crate) fn named(dispatcher: &'d Dispatcher, name: &str, id: &str) -> Result<Self, Unknown> {
        Ok(Self {
            dispatcher,
            entry: dispatcher.inner.process_named(name)?,
            key: Ok(id.to_owned()),
            actor: None,
            of: PhantomData,
        })
    }
}

impl<P> ProcessCall<'_, P> {
    /// Sets the actor that looks at the instance. Defaults to none. The authorizer is asked if
    /// [`Builder::log_permission`](crate::app::Builder::log_permission) names a permission, since the state is
    /// folded from the events of the log.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }
    /// The events with this id that the process manager takes, in order: also deadlines that were due, and
    /// rejections. Whether they were handled is another question.
    pub fn history(&self) -> History {
        let steps = self.steps();
        let key = self.key.as_ref().map_err(String::clone);
        let query = key.map(|key| steps.query_of(&steps.tag(key)));
        let history = History::of_process(self.dispatcher.inner.clone(), self.entry.name, query);
        match &self.actor {
            Some(actor) => history.actor(actor.clone()),
            None => history,
        }
    }

    fn steps(&self) -> ProcessSteps {
        ProcessSteps::new(self.entry, &self.dispatcher.inner.conversions)
    }

    /// The text of the id.
    pub(super) fn key(&self) -> Result<String, Failure> {
        let key = self.key.clone();
        key.map_err(|message| Failure::FunctionPanicked {
            function: format!("Display of an id of {}", self.entry.name).into(),
            event: None,
            message,
        })
    }

    /// Asks whether the actor may look at the instance.
    pub(super) fn permit(&self) -> Result<(), QueryError> {
        let inner = &self.dispatcher.inner;
        let permission = inner.log_permission;
        inner.permit(
            Action::Read,
            self.entry.name,
            permission,
            self.actor.as_ref(),
        )??;
        Ok(())
    }

    /// The instance, folded with the present code.
    pub(super) async fn load(&self, key: &str) -> Result<Option<Instance>, QueryError> {
        let inner = &self.dispatcher.inner;
        let failed = |error: crate::error::Error| Failure::handler(self.entry.name, error);
        let table = inner.instances(self.entry)?;
        let loaded = table.load(vec![key.to_owned()]).await.map_err(failed)?;
        let Some(mut instance) = loaded.into_iter().next().flatten() else {
            return Ok(None);
        };
        let steps = self.steps();
        if instance.code != steps.code {
            let tag = steps.tag(key);
            let folded = steps.fold_again(&*inner.log, &tag, &mut instance).await;
            folded.map_err(|unhandled| match unhandled {
                Unhandled::Log(error) => Failure::from(error),
                Unhandled::Step(failed) => Failure::handler(failed.name, failed.error),
            })?;
        }
        Ok(Some(instance))
    }
}

impl<'d, P: ProcessManager> IntoFuture for ProcessCall<'d, P> {
    /// `None` if no instance with this id has begun, or it was deleted some time after its end.
    type Output = Result<Option<Process<P>>, QueryError>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.show(|state| P::restore(state)))
    }
}

impl<'d> IntoFuture for ProcessCall<'d, Value> {
    /// As that of a typed call.
    type Output = Result<Option<Process<Value>>, QueryError>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.show(|state| Ok(serde_json::from_slice(state)?)))
    }
}

impl<P> ProcessCall<'_, P> {
    async fn show(
        self,
        restore: fn(&[u8]) -> crate::error::Result<P>,
    ) -> Result<Option<Process<P>>, QueryError> {
        self.permit()?;
        let instance = self.load(&self.key()?).await?;
        let shown = instance.map(|instance| Process::of(instance, &self.steps(), restore));
        let instance = shown.transpose();
        Ok(instance.map_err(|error| Failure::handler(self.entry.name, error))?)
    }
}

impl Inner {
    /// The process manager with this name.
    fn process_named(&self, name: &str) -> Result<&'static ProcessEntry, Unknown> {
        let entries = self.plan.processes.iter().map(|it| it.entry);
        let found = entries.clone().find(|entry| entry.name == name);
        found.ok_or_else(|| Unknown::new("process manager", name, entries.map(|it| it.name)))
    }

    /// The stored instances of a process manager.
    pub(crate) fn instances(&self, entry: &ProcessEntry) -> Result<InstanceTable, Failure> {
        let main = self.stores.views.main.clone();
        let views = main.ok_or_else(|| {
            Failure::from(StoreError::Unavailable {
                reason: "the dispatcher has no view store".into(),
            })
        })?;
        Ok(InstanceTable::new(entry.stored_name(), views))
    }

    /// The ids of instances, in order, after one of them.
    pub(crate) async fn process_ids(
        &self,
        name: &str,
        after: Option<&str>,
        actor: Option<&Actor>,
    ) -> Result<Vec<String>, QueryError> {
        let entry = self.process_named(name)?;
        self.permit(Action::Read, entry.name, self.log_permission, actor)??;
        let instances = self.instances(entry)?;
        let page = instances.keys_after(after.map(str::to_owned)).await;
        Ok(page.map_err(Failure::from)?.keys)
    }
}

impl<P> Process<P> {
    fn of(
        instance: Instance,
        steps: &ProcessSteps,
        restore: fn(&[u8]) -> crate::error::Result<P>,
    ) -> crate::error::Result<Self> {
        let commands = instance.commands.iter().map(|command| PendingEffect {
            name: command.name.clone(),
            json: value(command.json.get()),
            id: command.id,
            cause: command.origin.position,
            due: None,
        });
        let deadlines = instance.deadlines.iter().filter_map(|deadline| {
            let present = steps.deadline_event(deadline)?;
            let json = serde_json::from_slice(&present.payload);
            Some(PendingEffect {
                name: present.event_type.to_string(),
                // As it was set, if it cannot be converted.
                json: json.unwrap_or_else(|_| value(deadline.json.get())),
                id: deadline.id,
                cause: deadline.origin.position,
                due: Some(deadline.due),
            })
        });
        Ok(Self {
            state: restore(instance.state.get().as_bytes())?,
            started: instance.started.position,
            position: instance.position,
            ended: instance.ended.map(|ended| (ended.position, ended.time)),
            late: instance.late,
            commands: commands.collect(),
            deadlines: deadlines.collect(),
        })
    }
}

/// JSON for display.
fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}
