use std::any::{Any, type_name};
use std::convert::Infallible;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{Instrument, Span};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::attempt::{AnyCommand, AnyDecided, Order};
use super::inner::{CallOptions, Found, Inner};
use super::{Dispatcher, Receipt};
use crate::CommandId;
use crate::auth::Actor;
use crate::error::{CommandError, Failure, Invalid};
use crate::handler::{CommandFn, CommandScope, Decided, Decision, Loads};
use crate::json;
use crate::message::{Command, NewEvents};
use crate::panic::{guarded, method};
use crate::registry::{MessageKind, Registry};
use crate::store::{BoxFuture, Recorded};
use crate::trace;

/// A command about to be sent; `.await` sends it.
///
/// Dropping the future while it is awaited leaves the command either done or not done, never half;
/// send it again under the same [`id`](ExecuteCall::id) to learn which.
#[must_use = "a command is sent when the call is awaited"]
pub struct ExecuteCall<'d, C> {
    dispatcher: &'d Dispatcher,
    command: C,
    pub(crate) options: CallOptions,
    /// Where a session notes how far it has written.
    pub(crate) seen: Option<&'d AtomicU64>,
}

impl<'d, C: Command> ExecuteCall<'d, C> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, command: C) -> Self {
        Self {
            dispatcher,
            command,
            options: CallOptions {
                caller: dispatcher.caller(),
                ..CallOptions::default()
            },
            seen: None,
        }
    }

    /// The command's id. The same id again returns the first receipt without running the handler.
    pub fn id(mut self, id: CommandId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// Who sends it.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }

    /// The conversation that it belongs to; none said: it begins one.
    pub fn correlation(mut self, correlation: Uuid) -> Self {
        self.options.correlation = Some(correlation);
        self
    }

    /// The event that it is sent because of: takes over its conversation, too.
    pub fn because_of(mut self, event: &Recorded) -> Self {
        self.options.causation = Some(event.id.as_uuid());
        self.options.correlation = Some(event.correlation);
        self
    }
}

impl<'d, C: Command> IntoFuture for ExecuteCall<'d, C> {
    type Output = Result<Receipt, CommandError<C::Error>>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            dispatcher,
            command,
            options,
            seen,
        } = self;
        Box::pin(async move {
            let receipt = dispatcher.inner.execute(command, &options).await?;
            if let Some(seen) = seen {
                seen.fetch_max(receipt.last().get(), Ordering::AcqRel);
            }
            Ok(receipt)
        })
    }
}

impl Inner {
    /// Carries out a command, if its actor may send it.
    pub(crate) async fn execute<C: Command>(
        &self,
        command: C,
        options: &CallOptions,
    ) -> Result<Receipt, CommandError<C::Error>> {
        self.authorize(C::NAME, C::PERMISSION, options.actor.as_ref())
            .map_err(CommandError::Failed)?
            .map_err(CommandError::Denied)?;
        self.execute_authorized(command, options).await
    }

    /// Carries out a command. What depends on its type is here; the rest is
    /// [`carry_out`](Inner::carry_out), which is compiled once.
    pub(crate) async fn execute_authorized<C: Command>(
        &self,
        command: C,
        options: &CallOptions,
    ) -> Result<Receipt, CommandError<C::Error>> {
        let begun = self.lifecycle.begin_command(options.caller);
        let _under_way = begun.map_err(CommandError::Failed)?;
        if let Some(sent) = &self.sent {
            sent.record(&command);
        }
        let found = self.command::<C>().map_err(CommandError::Failed)?;
        let (run, slot) = found.parts();
        guarded(|| method(type_name::<C>(), "validate"), || command.check())
            .map_err(CommandError::Failed)?
            .map_err(CommandError::Invalid)?;
        let fingerprint = guarded(
            || method(type_name::<C>(), "serialize"),
            || fingerprint(&command),
        )
        .map_err(CommandError::Failed)?
        .map_err(CommandError::Invalid)?;
        let typed = Typed {
            command,
            run,
            refused: Mutex::new(None),
        };
        let span = trace::execute(C::NAME, slot.entry.name);
        let order = Order {
            command: &typed,
            slot,
            fingerprint,
            options,
            attempts: C::ATTEMPTS,
            span: &span,
        };
        let carried_out = Box::pin(self.carry_out(order)).instrument(span.clone());
        let outcome = carried_out.await;
        trace_outcome(&span, &outcome);
        match outcome {
            Ok(Some(receipt)) => Ok(receipt),
            Ok(None) => Err(typed.refused(slot.entry.name)),
            Err(error) => Err(error.map_rejected(|never| match never {})),
        }
    }
}

/// A command with its handler.
struct Typed<'a, C: Command> {
    command: C,
    run: &'a CommandFn<C>,
    /// What the handler returned instead of events.
    refused: Mutex<Option<CommandError<C::Error>>>,
}

impl<C: Command> AnyCommand for Typed<'_, C> {
    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        &self.command
    }

    fn load(&self, loads: &mut Loads) {
        (self.run.load)(&self.command, loads);
    }

    fn decide<'a>(&'a self, scope: &'a CommandScope<'a>) -> AnyDecided<'a> {
        let cloned = guarded(
            || method(type_name::<C>(), "clone"),
            || self.command.clone(),
        );
        let command = match cloned {
            Ok(command) => command,
            Err(panicked) => {
                return AnyDecided::Now(self.keep(Err(CommandError::Failed(panicked))));
            }
        };
        match (self.run.run)(command, scope) {
            Decided::Now(decision) => AnyDecided::Now(self.keep(decision)),
            Decided::Later(future) => {
                AnyDecided::Later(Box::pin(async move { self.keep(future.await) }))
            }
        }
    }
}

impl<C: Command> Typed<'_, C> {
    /// The events, or the error put aside.
    fn keep(&self, decision: Decision<C>) -> Option<NewEvents> {
        decision.map_err(|error| *self.slot() = Some(error)).ok()
    }

    /// The error that was put aside.
    fn refused(&self, handler: &'static str) -> CommandError<C::Error> {
        match self.slot().take() {
            // The handler said that something failed; only here it is known which handler.
            Some(CommandError::Failed(Failure::Handler { source, .. })) => {
                CommandError::Failed(Failure::Handler { handler, source })
            }
            Some(error) => error,
            // It is put aside before the command is known to be refused.
            None => CommandError::Failed(Registry::get().no_handler(MessageKind::Command, C::NAME)),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<CommandError<C::Error>>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, F, S> Found<'a, F, S> {
    fn parts(&self) -> (&F, &'a S) {
        match self {
            Self::Cell(run, slot) => (run, slot),
            Self::Boxed(run, slot) => (run, slot),
        }
    }
}

/// Hash of the command's name and JSON, to tell a repeated sending from another command.
///
/// It is stored for good, so it must not change: a command without fields counts as `null`, as serde
/// writes it, although a message without fields is `{}` everywhere else.
fn fingerprint<C: Command>(command: &C) -> Result<u64, Invalid> {
    let mut text = Vec::with_capacity(256);
    text.extend_from_slice(C::NAME.as_bytes());
    json::fingerprint(command, &mut text)?;
    Ok(xxh3_64(&text))
}

/// Records in a command's span what came of it. `None` is what its handler refused.
fn trace_outcome(execute: &Span, outcome: &Result<Option<Receipt>, CommandError<Infallible>>) {
    if execute.is_disabled() {
        return;
    }
    let word = match outcome {
        Ok(Some(receipt)) => {
            execute.record("events", receipt.events());
            execute.record("position", receipt.last().get());
            if receipt.replayed() {
                "replayed"
            } else {
                "done"
            }
        }
        Ok(None) => "refused",
        Err(CommandError::Rejected(never)) => match *never {},
        Err(CommandError::Conflict { .. }) => "conflict",
        Err(CommandError::Invalid(_)) => "invalid",
        Err(CommandError::Denied(_)) => "denied",
        Err(CommandError::Unknown(_)) => "unknown",
        Err(CommandError::Failed(_)) => "failed",
    };
    execute.record("outcome", word);
}
