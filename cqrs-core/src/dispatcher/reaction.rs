use tokio::task::consume_budget;
use tracing::Instrument;

use super::Dispatcher;
use crate::decision::RunningReaction;
use crate::error::{CommandError, Error, Result};
use crate::handler::{ErasedService, Input, ReactionInput, ReactionScope, Reply, Services};
use crate::message::{NewCommand, NewCommands};
use crate::registry::ReactionEntry;
use crate::store::{BoxFuture, EventLog, Position, Recorded};
use crate::subscription::{
    FailedEvent, Follower, HeldCheckpoint, Interruption, PageOutcome, Phase, SubscriptionPage,
};
use crate::trace;
use crate::trace_context;

/// A reaction, and the dispatcher to which it sends commands.
#[derive(Clone)]
pub(crate) struct Reaction {
    entry: &'static ReactionEntry,
    /// The services, by the place of the function's input. `None` for other inputs.
    services: Box<[Option<ErasedService>]>,
    dispatcher: Dispatcher,
}

impl Reaction {
    pub(crate) fn new(
        entry: &'static ReactionEntry,
        services: &Services,
        dispatcher: Dispatcher,
    ) -> Self {
        Self {
            entry,
            services: services.resolve(&(entry.inputs)()),
            dispatcher,
        }
    }

    /// Runs the reaction to one event.
    pub(crate) async fn react(&self, recorded: &Recorded) -> Result<()> {
        let scope = ReactionScope {
            recorded,
            services: &self.services,
            dispatcher: &self.dispatcher,
        };
        let span = trace::react(self.entry.name, recorded);
        trace_context::relate(&span, ("react", self.entry.name), [recorded]);
        let reply = async {
            let replied = self.reply(recorded, &scope).instrument(span.clone());
            let outcome = replied.await;
            trace::ends(&span, if outcome.is_ok() { "done" } else { "failed" });
            outcome
        };
        let store = self.dispatcher.inner.log.heads().log_id();
        let names = (self.entry.name, self.entry.stored_name());
        let running = RunningReaction::new(names, store, recorded);
        running.run(reply).await
    }

    /// Runs the function, and sends the commands that it returns.
    async fn reply(&self, recorded: &Recorded, scope: &ReactionScope<'_>) -> Result<()> {
        let reply = Reply::guarded(|| (self.entry.run)(recorded, scope)).await;
        self.send(reply.map_err(Error::panicked)??).await
    }

    /// Sends the commands that the function has returned, one after the other. After a failure, all of them are
    /// sent again, and those that were carried out have no further effect.
    async fn send(&self, commands: NewCommands) -> Result<()> {
        for NewCommand { name, json } in commands.into_vec() {
            let mut call = self.dispatcher.execute_json(name, &json);
            if let Some(actor) = self.dispatcher.inner.senders.of(self.entry.name) {
                call = call.actor(actor.clone());
            }
            call.await.map_err(|source| NotSent { name, source })?;
        }
        Ok(())
    }
}

/// A command that a reaction has returned was not carried out.
#[derive(Debug, thiserror::Error)]
#[error("its command `{name}` was not carried out: {source}")]
struct NotSent {
    name: &'static str,
    source: CommandError,
}

#[diagnostic::do_not_recommend]
impl<'a> ReactionInput<'a> for &'a Dispatcher {
    fn describe() -> Input {
        Input::builtin()
    }

    fn take(scope: &'a ReactionScope<'a>, _: usize) -> Result<Self> {
        let dispatcher = scope.dispatcher.downcast_ref();
        dispatcher.ok_or_else(|| Error::message("the dispatcher is not there"))
    }
}

impl Follower for Reaction {
    fn ends(&self, phase: Phase, _: Position) -> bool {
        phase != Phase::Running
    }

    fn handle<'a>(
        &'a self,
        page: SubscriptionPage<'a>,
        checkpoint: &'a mut HeldCheckpoint,
    ) -> BoxFuture<'a, Result<PageOutcome, Interruption>> {
        Box::pin(async move {
            for (place, event) in page.events.iter().enumerate() {
                consume_budget().await;
                if self.dispatcher.inner.lifecycle.is_draining() {
                    return Err(Interruption::ShutDown);
                }
                if let Err(error) = self.react(event).await {
                    let failed = FailedEvent::new(place, event, self.entry.name, &error);
                    return Ok(page.outcome(Some(failed)));
                }
                // Committed after each event, so that it is not handled again if the next one
                // fails.
                checkpoint.commit(page, event.position, Vec::new()).await?;
            }
            Ok(page.outcome(None))
        })
    }
}
