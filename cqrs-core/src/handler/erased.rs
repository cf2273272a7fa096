//! Commands and queries without their types. Generic code is compiled for every message of a
//! domain; code that takes these is compiled once.

use std::any::{Any, type_name};
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::query::{self, QueryHandler, QueryResult, QueryScope};
use super::{CommandFn, CommandHandler, CommandScope, DecisionResult, Loads, Reply};
use crate::error::{CommandError, Failure, Invalid, QueryError, Rejected};
use crate::json::{self, MessageLimits};
use crate::message::{Command, NewEvents, Query};
use crate::panic::{guarded, method};
use crate::scratch;
use crate::store::BoxFuture;

/// A command with its handler. In the results of its methods, the outer error is a panic.
pub trait ErasedCommand: Send + Sync {
    /// The command, for inputs that borrow from it.
    fn as_any(&self) -> &(dyn Any + Send + Sync);

    /// See [`Command::ATTEMPTS`].
    fn attempts(&self) -> Option<u32>;

    /// The fields as JSON.
    fn body(&self) -> Value;

    /// See [`Command::check`].
    fn check(&self) -> Result<Result<(), Invalid>, Failure>;

    /// Hash of the command's name and JSON. Distinguishes a repeated sending from another command.
    fn fingerprint(&self) -> Result<Result<u64, Invalid>, Failure>;

    /// Adds the aggregates to load.
    fn load(&self, loads: &mut Loads);

    /// Runs the handler. Returns its events, or `None` if it returned an error, which the command
    /// keeps.
    fn decide<'a>(&'a self, scope: &'a CommandScope<'a>) -> Reply<'a, Option<NewEvents>>;

    /// Takes the error that the handler returned.
    fn refusal(&self, handler: &'static str) -> CommandError<Rejected>;
}

/// A query with its handler.
pub trait ErasedQuery: Send {
    /// See [`Query::check`]. The outer error is a panic.
    fn check(&self) -> Result<Result<(), Invalid>, Failure>;

    /// Runs the handler. The answer is JSON.
    fn answer(self: Box<Self>, scope: QueryScope<'_>) -> BoxFuture<'_, QueryResult<Value>>;
}

/// Decodes a message from JSON, with its handler. The outer error is a panic.
pub(crate) type Parse<M> = fn(&[u8], MessageLimits) -> Result<Result<Box<M>, Invalid>, Failure>;

/// [`Parse`] for the command of `H`.
pub(crate) fn parse_command<H: CommandHandler<Command: Command>>(
    json: &[u8],
    limits: MessageLimits,
) -> Result<Result<Box<dyn ErasedCommand>, Invalid>, Failure> {
    let command = json::decode_message(json, limits)?;
    Ok(command.map(|command| {
        let command = TypedCommand::new(command, CommandFn::of::<H>());
        Box::new(command) as Box<dyn ErasedCommand>
    }))
}

/// [`Parse`] for the query of `H`.
pub(crate) fn parse_query<H: QueryHandler>(
    json: &[u8],
    limits: MessageLimits,
) -> Result<Result<Box<dyn ErasedQuery>, Invalid>, Failure> {
    let query = json::decode_message(json, limits)?;
    Ok(query.map(|query| Box::new(TypedQuery::<H>(query)) as Box<dyn ErasedQuery>))
}

/// A command and the handler that decides it.
pub(crate) struct TypedCommand<C: Command> {
    command: C,
    handler: CommandFn<C>,
    /// The error that the handler returned.
    refusal: Mutex<Option<CommandError<C::Error>>>,
}

impl<C: Command> TypedCommand<C> {
    pub(crate) fn new(command: C, handler: CommandFn<C>) -> Self {
        Self {
            command,
            handler,
            refusal: Mutex::new(None),
        }
    }

    /// Takes the error that `handler` returned.
    pub(crate) fn take_refusal(&self, handler: &'static str) -> CommandError<C::Error> {
        match self.refused().take() {
            // `CommandError::failed` has set a placeholder, since it does not know the handler's
            // name.
            Some(CommandError::Failed(Failure::Handler { source, .. })) => {
                CommandError::Failed(Failure::Handler { handler, source })
            }
            Some(error) => error,
            // Unreachable: `keep` stores the error before it reports that there are no events.
            None => CommandError::Failed(Failure::Panicked {
                handler,
                message: "it lost its error".to_owned(),
            }),
        }
    }

    /// Returns the events, or stores the error.
    fn keep(&self, decision: DecisionResult<C>) -> Option<NewEvents> {
        decision.map_err(|error| *self.refused() = Some(error)).ok()
    }

    fn refused(&self) -> MutexGuard<'_, Option<CommandError<C::Error>>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Command> ErasedCommand for TypedCommand<C> {
    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        &self.command
    }

    fn attempts(&self) -> Option<u32> {
        C::ATTEMPTS
    }

    fn body(&self) -> Value {
        json::to_value(&self.command)
    }

    fn check(&self) -> Result<Result<(), Invalid>, Failure> {
        guarded(
            || method(type_name::<C>(), "validate"),
            || self.command.check(),
        )
    }

    fn fingerprint(&self) -> Result<Result<u64, Invalid>, Failure> {
        guarded(
            || method(type_name::<C>(), "serialize"),
            || fingerprint(&self.command),
        )
    }

    fn load(&self, loads: &mut Loads) {
        (self.handler.load)(&self.command, loads);
    }

    fn decide<'a>(&'a self, scope: &'a CommandScope<'a>) -> Reply<'a, Option<NewEvents>> {
        let cloned = guarded(
            || method(type_name::<C>(), "clone"),
            || self.command.clone(),
        );
        let command = match cloned {
            Ok(command) => command,
            Err(panicked) => return Reply::Now(self.keep(Err(CommandError::Failed(panicked)))),
        };
        match (self.handler.run)(command, scope) {
            Reply::Now(decision) => Reply::Now(self.keep(decision)),
            Reply::Later(future) => Reply::later(async move { self.keep(future.await) }),
        }
    }

    fn refusal(&self, handler: &'static str) -> CommandError<Rejected> {
        let refusal = self.take_refusal(handler);
        refusal.map_rejected(|error| Rejected::of(error, rejection::<C>))
    }
}

/// The error of a command as JSON. None if its type cannot be written, or panics.
fn rejection<C: Command>(error: &(dyn Error + 'static)) -> Option<Value> {
    let error = error.downcast_ref()?;
    guarded(
        || method(type_name::<C::Error>(), "serialize"),
        || C::rejection(error),
    )
    .ok()?
}

/// Fingerprints are stored forever, so this must not change: a command without fields counts as
/// `null`, as serde writes it, although a message without fields is `{}` everywhere else.
fn fingerprint<C: Command>(command: &C) -> Result<u64, Invalid> {
    scratch::bytes(|text| {
        text.extend_from_slice(C::NAME.as_bytes());
        json::fingerprint(command, text)?;
        Ok(xxh3_64(text))
    })
}

/// A query and the handler that answers it.
struct TypedQuery<H: QueryHandler>(H::Query);

impl<H: QueryHandler> ErasedQuery for TypedQuery<H> {
    fn check(&self) -> Result<Result<(), Invalid>, Failure> {
        guarded(
            || method(type_name::<H::Query>(), "validate"),
            || self.0.check(),
        )
    }

    fn answer(self: Box<Self>, scope: QueryScope<'_>) -> BoxFuture<'_, QueryResult<Value>> {
        Box::pin(async move {
            let answer = query::run::<H>(self.0, scope).await?;
            let json = guarded(
                || method(type_name::<<H::Query as Query>::Output>(), "serialize"),
                || serde_json::to_value(answer),
            )?;
            json.map_err(|error| {
                QueryError::from(Failure::handler(<H::Query as Query>::NAME, error.into()))
            })
        })
    }
}
