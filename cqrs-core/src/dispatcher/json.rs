use std::any::type_name;
use std::future::IntoFuture;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::inner::CallOptions;
use super::query::QueryOptions;
use super::{Dispatcher, QueryCall, Receipt};
use crate::auth::Actor;
use crate::error::{CommandError, Failure, Invalid, QueryError, Rejection};
use crate::json;
use crate::message::{Command, Query};
use crate::panic::{guarded, method};
use crate::store::{BoxFuture, Position};
use crate::{CommandId, Uuid};

/// Sends a command from JSON.
pub(crate) type JsonCommand = for<'a> fn(
    &'a Dispatcher,
    &'a [u8],
    CallOptions,
)
    -> BoxFuture<'a, Result<Receipt, CommandError<Rejection>>>;

/// Asks a query from JSON.
pub(crate) type JsonQuery =
    for<'a> fn(&'a Dispatcher, &'a [u8], QueryOptions) -> BoxFuture<'a, Result<Value, QueryError>>;

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
            options: CallOptions {
                caller: dispatcher.caller(),
                ..CallOptions::default()
            },
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
        let slot = dispatcher.inner.names.command(name).map(|number| {
            dispatcher
                .inner
                .commands
                .get(number)
                .and_then(Option::as_ref)
        });
        match slot {
            Ok(Some(slot)) => (slot.entry.json)(dispatcher, json, options),
            // Names are made of the slots, so the number is always there.
            Ok(None) => failed(CommandError::Failed(Failure::NoHandler {
                message: "?",
                elsewhere: None,
            })),
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

    /// See [`QueryCall::after`].
    pub fn after(self, receipt: &Receipt) -> Self {
        self.after_position(receipt.last())
    }

    /// See [`QueryCall::after_position`].
    pub fn after_position(mut self, position: Position) -> Self {
        self.options.after = self.options.after.max(position);
        self
    }

    /// See [`QueryCall::within`].
    pub fn within(mut self, wait: Duration) -> Self {
        self.options.within = Some(wait);
        self
    }

    /// See [`QueryCall::actor`].
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
        let slot = dispatcher.inner.names.query(name).map(|number| {
            dispatcher
                .inner
                .queries
                .get(number)
                .and_then(Option::as_ref)
        });
        match slot {
            Ok(Some(slot)) => (slot.entry.json)(dispatcher, json, options),
            // Names are made of the slots, so the number is always there.
            Ok(None) => failed(QueryError::from(Failure::NoHandler {
                message: "?",
                elsewhere: None,
            })),
            Err(unknown) => failed(QueryError::from(unknown)),
        }
    }
}

impl Dispatcher {
    /// The authorizer is asked first: what is wrong with the JSON names fields.
    pub(crate) fn send_json<'a, C: Command>(
        &'a self,
        json: &'a [u8],
        options: CallOptions,
    ) -> BoxFuture<'a, Result<Receipt, CommandError<Rejection>>> {
        Box::pin(async move {
            self.inner
                .authorize(C::NAME, C::PERMISSION, options.actor.as_ref())
                .map_err(CommandError::Failed)?
                .map_err(CommandError::Denied)?;
            let command = self
                .parse::<C>(json)
                .map_err(CommandError::Failed)?
                .map_err(CommandError::Invalid)?;
            let outcome = self.inner.execute_authorized(command, &options).await;
            outcome.map_err(|error| error.map_rejected(Rejection::new))
        })
    }

    /// The authorizer is asked first: what is wrong with the JSON names fields.
    pub(crate) fn ask_json<'a, Q: Query>(
        &'a self,
        json: &'a [u8],
        options: QueryOptions,
    ) -> BoxFuture<'a, Result<Value, QueryError>> {
        Box::pin(async move {
            self.inner
                .authorize(Q::NAME, Q::PERMISSION, options.actor.as_ref())??;
            let mut call = QueryCall::new(self, self.parse::<Q>(json)??);
            *call.options() = QueryOptions {
                is_authorized: true,
                ..options
            };
            let answer = call.await?;
            guarded(
                || method(type_name::<Q::Output>(), "serialize"),
                || serde_json::to_value(answer),
            )?
            .map_err(|error| Failure::handler(Q::NAME, error.into()).into())
        })
    }

    /// A message from JSON; what is wrong with it names the field. The outer error is a panic.
    fn parse<M: DeserializeOwned>(&self, json: &[u8]) -> Result<Result<M, Invalid>, Failure> {
        let limit = self.inner.limits.message;
        if json.len() > limit {
            return Ok(Err(Invalid::new(format!(
                "{} bytes of JSON, at most {limit}",
                json.len()
            ))));
        }
        let decoded = guarded(
            || method(type_name::<M>(), "deserialize"),
            || json::decode_message(json, self.inner.limits.message_depth),
        )?;
        Ok(decoded.map_err(Invalid::from))
    }
}

fn failed<'a, T: Send + 'a, E: Send + 'a>(error: E) -> BoxFuture<'a, Result<T, E>> {
    Box::pin(std::future::ready(Err(error)))
}
