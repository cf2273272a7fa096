use std::future::IntoFuture;
use std::time::Duration;

use serde_json::Value;
use tracing::Instrument;

use super::inner::{Inner, QuerySlot};
use super::query::QueryOptions;
use super::{Caller, Dispatcher, Receipt};
use crate::auth::Actor;
use crate::decision::{CallOptions, CommandSlot};
use crate::error::{CommandError, QueryError, Rejection};
use crate::store::{BoxFuture, Position};
use crate::trace;
use crate::{CommandId, Uuid};

/// A command about to be sent by name; `.await` sends it.
#[must_use = "a command is sent when the call is awaited"]
pub struct ExecuteJsonCall<'d> {
    dispatcher: &'d Dispatcher,
    name: &'d str,
    json: &'d [u8],
    options: CallOptions,
}

/// A query about to be asked by name; `.await` asks it.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryJsonCall<'d> {
    dispatcher: &'d Dispatcher,
    name: &'d str,
    json: &'d [u8],
    options: QueryOptions,
}

impl<'d> ExecuteJsonCall<'d> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, name: &'d str, json: &'d [u8]) -> Self {
        Self {
            dispatcher,
            name,
            json,
            options: CallOptions::default(),
        }
    }

    /// See [`ExecuteCall::id`](super::ExecuteCall::id).
    pub fn id(mut self, id: CommandId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// See [`ExecuteCall::actor`](super::ExecuteCall::actor).
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }

    /// See [`ExecuteCall::correlation`](super::ExecuteCall::correlation).
    pub fn correlation(mut self, correlation: Uuid) -> Self {
        self.options.correlation = Some(correlation);
        self
    }
}

impl<'d> IntoFuture for ExecuteJsonCall<'d> {
    type Output = Result<Receipt, CommandError<Rejection>>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            dispatcher,
            name,
            json,
            options,
        } = self;
        match dispatcher.inner.commands.named("command", name) {
            Ok(slot) => Box::pin(dispatcher.inner.execute_json(
                dispatcher.caller(),
                slot,
                json,
                options,
            )),
            Err(unknown) => failed(CommandError::Unknown(unknown)),
        }
    }
}

impl<'d> QueryJsonCall<'d> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, name: &'d str, json: &'d [u8]) -> Self {
        Self {
            dispatcher,
            name,
            json,
            options: QueryOptions::default(),
        }
    }

    /// See [`QueryCall::after`](super::QueryCall::after).
    pub fn after(self, receipt: &Receipt) -> Self {
        self.after_position(receipt.last())
    }

    /// See [`QueryCall::after_position`](super::QueryCall::after_position).
    pub fn after_position(mut self, position: Position) -> Self {
        self.options.after = self.options.after.max(position);
        self
    }

    /// See [`QueryCall::max_wait`](super::QueryCall::max_wait).
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.options.within = Some(wait);
        self
    }

    /// See [`QueryCall::actor`](super::QueryCall::actor).
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }
}

impl<'d> IntoFuture for QueryJsonCall<'d> {
    type Output = Result<Value, QueryError>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            dispatcher,
            name,
            json,
            options,
        } = self;
        match dispatcher.inner.queries.named("query", name) {
            Ok(slot) => {
                let caller = dispatcher.caller();
                let asked = dispatcher.inner.query_json(caller, slot, json, options);
                Box::pin(asked.instrument(trace::query(slot.entry.message)))
            }
            Err(unknown) => failed(QueryError::from(unknown)),
        }
    }
}

impl Inner {
    /// The authorizer is asked first: what is wrong with the JSON names fields.
    async fn execute_json(
        &self,
        caller: Caller,
        slot: &CommandSlot,
        json: &[u8],
        options: CallOptions,
    ) -> Result<Receipt, CommandError<Rejection>> {
        let entry = slot.entry;
        self.authorize(entry.message, entry.permission, options.actor.as_ref())
            .map_err(CommandError::Failed)?
            .map_err(CommandError::Denied)?;
        let command = (entry.parse)(json, self.limits.message)
            .map_err(CommandError::Failed)?
            .map_err(CommandError::Invalid)?;
        match self.execute_erased(&*command, slot, caller, &options).await {
            Ok(Some(receipt)) => Ok(receipt),
            Ok(None) => Err(command.refusal(entry.name)),
            Err(error) => Err(error.map_rejected(|never| match never {})),
        }
    }

    /// The authorizer is asked first: what is wrong with the JSON names fields.
    async fn query_json(
        &self,
        caller: Caller,
        slot: &QuerySlot,
        json: &[u8],
        options: QueryOptions,
    ) -> Result<Value, QueryError> {
        let entry = slot.entry;
        self.lifecycle.check(caller)?;
        self.authorize(entry.message, entry.permission, options.actor.as_ref())??;
        let query = (entry.parse)(json, self.limits.message)??;
        query.check()??;
        self.wait_for(slot, options.after, options.within).await?;
        query.answer(self.scope(slot, options.actor)?).await
    }
}

fn failed<'a, T: Send + 'a, E: Send + 'a>(error: E) -> BoxFuture<'a, Result<T, E>> {
    Box::pin(std::future::ready(Err(error)))
}
