use std::convert::Infallible;
use std::future::IntoFuture;
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::inner::Inner;
use super::session::SessionWrites;
use super::{Caller, Dispatcher, ExecuteAndWaitCall, Receipt};
use crate::CommandId;
use crate::auth::Actor;
use crate::decision::{CallOptions, CommandSlot, append_failed};
use crate::error::{CommandError, Failure};
use crate::handler::{CommandFn, ErasedCommand, Projection, TypedCommand};
use crate::message::Command;
use crate::registry::{MessageKind, Registry};
use crate::store::{AppendError, BoxFuture, CustomMetadata, Position, Recorded};

/// A command about to be sent; `.await` sends it. `C` is the command's type, or [`Named`](super::Named)
/// for a command that is sent by its wire name.
///
/// If the future is dropped before it completes, the command is either carried out completely or not
/// at all. Send it again with the same [`id`](ExecuteCall::id) to learn which.
#[must_use = "a command is sent when the call is awaited"]
pub struct ExecuteCall<'d, C> {
    pub(super) dispatcher: &'d Dispatcher,
    pub(super) command: C,
    pub(super) options: CallOptions,
    /// The position up to which a session has written.
    pub(super) written: Option<&'d SessionWrites>,
}

impl<'d, C> ExecuteCall<'d, C> {
    pub(super) fn new(dispatcher: &'d Dispatcher, command: C) -> Self {
        Self {
            dispatcher,
            command,
            options: CallOptions::default(),
            written: None,
        }
    }

    /// Sets the command's id. Defaults to a new id. Sending the same id again returns the first
    /// receipt without running the handler.
    pub fn id(mut self, id: CommandId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// Sets the actor that sends the command. Defaults to none.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }

    /// Adds custom metadata, which the events record, and which commands that reactions and process managers
    /// send because of them inherit. See [`CustomMetadata`] for the limits.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.metadata.set(key, value);
        self
    }

    /// Sets all custom metadata, in place of that of the session.
    pub fn with_metadata(mut self, metadata: CustomMetadata) -> Self {
        self.options.metadata = metadata;
        self
    }

    /// Sets the maximum time for the call. Defaults to none: the store has patience of its own. After that the call
    /// fails with [`AppendError::Indeterminate`](crate::store::AppendError::Indeterminate), and the command is either
    /// carried out completely or not at all. Send it again with the same [`id`](ExecuteCall::id) to learn which.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Carries the command out only if no event after this position concerns the aggregates that its handler takes: that
    /// of an earlier [`Receipt`], or of an [`Answer`](super::Answer) that the caller has seen. If there is one, the call
    /// fails with [`CommandError::Moved`]. The append checks it, too, so no event comes in between. A command that was
    /// carried out before returns its first receipt.
    pub fn unchanged_since(mut self, position: Position) -> Self {
        self.options.unchanged_since = Some(position);
        self
    }

    /// Sets the id of the conversation that the command belongs to. Defaults to the command's id: the
    /// command begins a conversation.
    pub fn correlation(mut self, correlation: Uuid) -> Self {
        self.options.correlation = Some(correlation);
        self
    }

    /// Sets the event that caused the command. The command joins the event's conversation.
    pub fn caused_by(mut self, event: &Recorded) -> Self {
        self.options.causation = Some(event.meta.id.as_uuid());
        self.options.correlation = Some(event.meta.correlation);
        self
    }

    /// Waits, once the command is carried out, until the read models of the projection `P` include its
    /// events: for callers that answer with what a query shows then.
    ///
    /// ```
    /// # use cqrs_core::prelude::*;
    /// # cqrs_core::module!();
    /// # #[derive(Command, Clone, Serialize, Deserialize)]
    /// # pub struct AddTitle { pub title: String }
    /// # #[derive(Event, Serialize, Deserialize)]
    /// # #[event(name = "title-added", version = 1)]
    /// # pub struct TitleAdded { pub title: String }
    /// # #[command_handler]
    /// # fn add(AddTitle { title }: AddTitle) -> TitleAdded { TitleAdded { title } }
    /// # #[derive(ReadModel, Clone, Serialize, Deserialize)]
    /// # pub struct Title { #[key] pub title: String }
    /// # pub struct TitleList;
    /// # #[projection(name = "titles", version = 1)]
    /// # impl TitleList {
    /// #     #[on]
    /// #     fn added(event: &TitleAdded, titles: &mut Views<Title>) {
    /// #         titles.put(Title { title: event.title.clone() });
    /// #     }
    /// # }
    /// # #[derive(Query, Clone, Serialize, Deserialize)]
    /// # #[query(returns = u64)]
    /// # pub struct CountTitles;
    /// # #[query_handler]
    /// # async fn count(_: CountTitles, titles: Read<Title>) -> Result<u64> {
    /// #     titles.find().count().await
    /// # }
    /// use cqrs_core::app::WaitError;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let app = Dispatcher::builder().module(module()).store(Memory::new()).build().await?;
    /// let add = AddTitle { title: "Emma".into() };
    /// match app.execute(add).and_wait_for::<TitleList>().await {
    ///     Ok(_) => assert_eq!(app.query(CountTitles).await?, 1),
    ///     // It is carried out all the same: tell the caller where it can be seen later.
    ///     Err(WaitError::Recorded { receipt, .. }) => println!("see {}", receipt.bookmark()),
    ///     Err(WaitError::Command(error)) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn and_wait_for<P: Projection>(self) -> ExecuteAndWaitCall<'d, C> {
        ExecuteAndWaitCall::new(self).and_wait_for::<P>()
    }

    /// Makes the session's next queries wait for the events of the receipt.
    pub(super) fn note(written: Option<&SessionWrites>, receipt: &Receipt) {
        if let Some(written) = written {
            written.note(receipt);
        }
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
            written,
        } = self;
        Box::pin(async move {
            let caller = dispatcher.caller();
            let executed = dispatcher.inner.execute(command, caller, &options);
            let receipt = executed.await?;
            Self::note(written, &receipt);
            Ok(receipt)
        })
    }
}

impl Inner {
    /// Carries out a command, if its actor may send it. Only the code that depends on the command's
    /// type is here; the rest is compiled once.
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

    /// Carries out a command that its actor may send. `None` if the handler returned an error, which
    /// the command keeps.
    pub(super) async fn execute_erased(
        &self,
        command: &dyn ErasedCommand,
        slot: &CommandSlot,
        caller: Caller,
        options: &CallOptions,
    ) -> Result<Option<Receipt>, CommandError<Infallible>> {
        let begun = self.lifecycle.begin_command(caller);
        let _active = begun.map_err(CommandError::Failed)?;
        if let Some(sent) = &self.sent {
            sent.record(slot.entry.message, command.body());
        }
        let carried_out = self.decisions.carry_out(command, slot, options);
        let Some(limit) = options.timeout else {
            return carried_out.await;
        };
        match Box::pin(timeout(limit, carried_out)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(append_failed(AppendError::Indeterminate {
                reason: format!("the command's timeout of {limit:?} is over").into(),
            })),
        }
    }

    /// The handler of a command.
    pub(super) fn command<C: Command>(&self) -> Result<(CommandFn<C>, &CommandSlot), Failure> {
        let found = self.commands.get(C::cell());
        found.ok_or_else(|| Registry::get().no_handler(MessageKind::Command, C::NAME))
    }
}
