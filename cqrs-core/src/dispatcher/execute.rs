use std::convert::Infallible;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::inner::Inner;
use super::{Caller, Dispatcher, Receipt};
use crate::CommandId;
use crate::auth::Actor;
use crate::decision::{CallOptions, CommandSlot};
use crate::error::CommandError;
use crate::handler::{ErasedCommand, TypedCommand};
use crate::message::Command;
use crate::store::{BoxFuture, Recorded};

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
            options: CallOptions::default(),
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
    pub fn caused_by(mut self, event: &Recorded) -> Self {
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
            let receipt = {
                let inner = &dispatcher.inner;
                inner
                    .execute(command, dispatcher.caller(), &options)
                    .await?
            };
            if let Some(seen) = seen {
                seen.fetch_max(receipt.last().get(), Ordering::AcqRel);
            }
            Ok(receipt)
        })
    }
}

impl Inner {
    /// Carries out a command, if its actor may send it. What depends on its type is here; the rest
    /// is compiled once.
    pub(crate) async fn execute<C: Command>(
        &self,
        command: C,
        caller: Caller,
        options: &CallOptions,
    ) -> Result<Receipt, CommandError<C::Error>> {
        self.authorize(C::NAME, C::PERMISSION, options.actor.as_ref())
            .map_err(CommandError::Failed)?
            .map_err(CommandError::Denied)?;
        let (handler, slot) = self.command::<C>().map_err(CommandError::Failed)?;
        let command = TypedCommand::new(command, handler);
        match self.execute_erased(&command, slot, caller, options).await {
            Ok(Some(receipt)) => Ok(receipt),
            Ok(None) => Err(command.take_refusal(slot.entry.name)),
            Err(error) => Err(error.map_rejected(|never| match never {})),
        }
    }

    /// Carries out a command that its actor may send. `None` when the handler returned an error,
    /// which the command keeps.
    pub(super) async fn execute_erased(
        &self,
        command: &dyn ErasedCommand,
        slot: &CommandSlot,
        caller: Caller,
        options: &CallOptions,
    ) -> Result<Option<Receipt>, CommandError<Infallible>> {
        let begun = self.lifecycle.begin_command(caller);
        let _under_way = begun.map_err(CommandError::Failed)?;
        if let Some(sent) = &self.sent {
            sent.record(slot.entry.message, command.body());
        }
        self.decisions.carry_out(command, slot, options).await
    }
}
