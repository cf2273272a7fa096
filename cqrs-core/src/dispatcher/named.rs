use std::future::IntoFuture;

use serde_json::Value;

use super::inner::{Inner, QuerySlot};
use super::query::QueryOptions;
use super::{Caller, Dispatcher, ExecuteCall, QueryCall, Receipt};
use crate::auth::Actor;
use crate::decision::{CallOptions, CommandSlot};
use crate::error::{CommandError, QueryError, Rejected};
use crate::handler::QueryResult;
use crate::store::BoxFuture;
use crate::trace;

/// A command or a query by its wire name, with its fields as JSON. Made by
/// [`Dispatcher::execute_json`](super::Dispatcher::execute_json) and
/// [`Dispatcher::query_json`](super::Dispatcher::query_json).
#[derive(Clone, Copy, Debug)]
pub struct Named<'d> {
    pub(super) name: &'d str,
    pub(super) json: &'d [u8],
}

impl Dispatcher {
    /// Asks the authorizer whether the actor may ask the query with this wire name, which is not asked. For adapters that
    /// have to know it before the first answer, or while nothing changes.
    ///
    /// # Errors
    /// If it is denied, there is no such query, or the authorizer panics.
    pub fn permit_query(&self, name: &str, actor: Option<&Actor>) -> Result<(), QueryError> {
        let entry = self.inner.queries.named("query", name)?.entry;
        Ok(self.inner.authorize_query(entry, actor)??)
    }
}

impl<'d> IntoFuture for ExecuteCall<'d, Named<'d>> {
    type Output = Result<Receipt, CommandError<Rejected>>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            dispatcher,
            command: Named { name, json },
            options,
            written,
        } = self;
        Box::pin(async move {
            let inner = &dispatcher.inner;
            let slot = inner
                .commands
                .named("command", name)
                .map_err(CommandError::Unknown)?;
            let executed = inner.execute_named(slot, json, dispatcher.caller(), &options);
            let receipt = executed.await?;
            Self::note(written, &receipt);
            Ok(receipt)
        })
    }
}

impl<'d> IntoFuture for QueryCall<'d, Named<'d>> {
    type Output = Result<Value, QueryError>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let dispatcher = self.dispatcher;
        let (Named { name, json }, options) = self.into_options();
        Box::pin(async move {
            let inner = &dispatcher.inner;
            let slot = inner.queries.named("query", name)?;
            let asked = inner.query_named(slot, json, dispatcher.caller(), options);
            trace::answered(trace::query(slot.entry.message), asked).await
        })
    }
}

impl Inner {
    /// Carries out a command that is sent by name. The authorizer is asked before the JSON is read,
    /// since an error in it names the command's fields.
    async fn execute_named(
        &self,
        slot: &CommandSlot,
        json: &[u8],
        caller: Caller,
        options: &CallOptions,
    ) -> Result<Receipt, CommandError<Rejected>> {
        let entry = slot.entry;
        self.authorize(entry.message, entry.permission, options.actor.as_ref())
            .map_err(CommandError::Failed)?
            .map_err(CommandError::Denied)?;
        let parsed = (entry.parse)(json, self.limits.message).map_err(CommandError::Failed)?;
        let command = match parsed {
            Ok(command) => command,
            Err(invalid) => {
                let refused = self.decisions.refuse(invalid, options.id, None).await;
                return Err(refused.map_rejected(|never| match never {}));
            }
        };
        match self.execute_erased(&*command, slot, caller, options).await {
            Ok(Some(receipt)) => Ok(receipt),
            Ok(None) => Err(command.refusal(entry.name)),
            Err(error) => Err(error.map_rejected(|never| match never {})),
        }
    }

    /// Answers a query that is asked by name. The authorizer is asked before the JSON is read, since
    /// an error in it names the query's fields.
    async fn query_named(
        &self,
        slot: &QuerySlot,
        json: &[u8],
        caller: Caller,
        options: QueryOptions,
    ) -> QueryResult<Value> {
        let entry = slot.entry;
        self.lifecycle.check_query(caller)?;
        self.authorize_query(entry, options.actor.as_ref())??;
        let mut query = (entry.parse)(json, self.limits.message)??;
        query.check()??;
        let wait = self.query_wait(&options);
        loop {
            let awaited = self.wait_for(slot, &options, &wait).await?;
            let context = self.query_context(slot, options.actor.clone())?;
            let scope = awaited.sources.scope(slot, context.as_ref());
            let answer = query.answer(scope).await?;
            match awaited.confirm(answer) {
                Err(_) if !wait.is_over() => query = (entry.parse)(json, self.limits.message)??,
                confirmed => return confirmed,
            }
        }
    }
}
