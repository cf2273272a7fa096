//! Errors, in three kinds that are never mixed: the domain *rejected* the command, the boundary
//! changed (*conflict*), or something *failed*. Invalid input and denied access are kinds of their
//! own.
//!
//! ```
//! use cqrs_core::prelude::*;
//!
//! fn status(error: &CommandError<Rejected>) -> u16 {
//!     match error {
//!         CommandError::Rejected(_) | CommandError::Conflict { .. } => 409,
//!         CommandError::Moved { .. } => 412,
//!         CommandError::Invalid(_) => 400,
//!         CommandError::Denied(_) => 403,
//!         CommandError::Unknown(_) => 404,
//!         CommandError::Failed(_) => 500,
//!     }
//! }
//!
//! assert_eq!(status(&CommandError::Rejected(Rejected::from("sold out"))), 409);
//! ```

mod command;
mod denied;
mod handler;
mod newer_version;
mod operation;
mod query;
mod rebuilding;
mod rejected;

pub(crate) use crate::report::report;
pub use command::CommandError;
pub use denied::{Action, Denied};
pub use handler::{Error, Result};
pub(crate) use newer_version::{NewerVersion, is_of_newer_version};
pub use operation::OperationError;
pub use query::{NotCaughtUp, Parked, QueryError, QueryErrorKind};
pub use rebuilding::{RebuildProgress, Rebuilding};
pub use rejected::Rejected;

use std::borrow::Cow;
use std::time::Duration;

use crate::CommandId;
use crate::source::Source;
use crate::store::{AppendError, StoreError, Tags};

/// A failure, as opposed to a rejection by the domain.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A handler returned an error that is not the domain's. Fix its cause; the call had no effect.
    #[error("`{handler}` failed: {source}")]
    Handler {
        /// The handler's name.
        handler: &'static str,
        /// The handler's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A handler panicked. The call had no effect, and nothing else is affected.
    #[error("`{handler}` panicked: {message}")]
    Panicked {
        /// The handler's name.
        handler: &'static str,
        /// The panic's message.
        message: String,
    },
    /// A function that is not a handler panicked: a fold, a `Validate`, a `Display` of an id, ..
    /// The call had no effect, and nothing else is affected.
    #[error(
        "`{function}` panicked{}: {message}",
        .event.as_ref().map(|event| format!(" at {event}")).unwrap_or_default()
    )]
    FunctionPanicked {
        /// The function's name: `Product::apply`.
        function: Cow<'static, str>,
        /// The event that an aggregate could not fold.
        event: Option<String>,
        /// The panic's message.
        message: String,
    },
    /// Another command was still deciding about the same aggregate after
    /// [`max_decision_wait`](crate::dispatcher::Builder::max_decision_wait). Nothing was recorded.
    #[error(
        "gave up after {waited:?}: {} is still deciding about `{aggregate}`. Send the command again \
         later, make that handler faster, or raise `max_decision_wait` on the builder",
        .handler.map_or("another command".into(), |handler| format!("`{handler}`"))
    )]
    Busy {
        /// The tag of the aggregate; several, if it has several ids.
        aggregate: Tags,
        /// The handler that is deciding about the aggregate, if it is known.
        handler: Option<&'static str>,
        /// The time that the command waited.
        waited: Duration,
    },
    /// An async handler sent a command about the aggregate that it was itself deciding about, which
    /// would make its own decision conflict. Nothing of the inner command was recorded.
    #[error(
        "`{handler}` cannot decide about `{aggregate}` while `{outer}`, which sent its command, is \
         deciding about it: return the events of both from `{outer}`, or send the command from an \
         event handler"
    )]
    Nested {
        /// The handler of the inner command.
        handler: &'static str,
        /// The handler that sent the inner command, perhaps through other commands.
        outer: &'static str,
        /// The tag of the aggregate; several, if it has several ids.
        aggregate: Tags,
    },
    /// Too many commands sent by reactions led to this one. See
    /// [`max_causation_depth`](crate::dispatcher::Builder::max_causation_depth). Nothing was
    /// recorded.
    #[error(
        "`{command}` would be command {} of a chain of reactions, of which {limit} are allowed: \
         {chain}. Let a reaction stop answering, or raise `max_causation_depth` on the builder",
        u64::from(*.limit) + 1
    )]
    CausationDepth {
        /// The command's name.
        command: &'static str,
        /// The limit.
        limit: u32,
        /// The last reactions and the commands that they sent.
        chain: String,
    },
    /// Reactions sent too many commands because of one. See
    /// [`max_caused_commands`](crate::dispatcher::Builder::max_caused_commands). Nothing was
    /// recorded.
    #[error(
        "`{command}` would be command {} that reactions send because of one command, of which \
         {limit} are allowed: {chain}. Let a reaction stop answering, or raise \
         `max_caused_commands` on the builder",
        u64::from(*.limit) + 1
    )]
    CausedCommands {
        /// The command's name.
        command: &'static str,
        /// The limit.
        limit: u32,
        /// The last reactions and the commands that they sent.
        chain: String,
    },
    /// This dispatcher has no handler for the message: its module is not among the dispatcher's.
    #[error("this dispatcher has no handler for `{message}`: {}", take_in(.elsewhere.as_ref()))]
    NoHandler {
        /// The message's name.
        message: &'static str,
        /// A handler of the message in a module outside the dispatcher.
        elsewhere: Option<Source>,
    },
    /// The process does not have the [role](crate::app::Builder::roles) for the message. Nothing was
    /// done: send it to a process that has the role.
    #[error(
        "this process does not have the role `{role}`: send the message to a process that has it, or \
         add it to `.roles(..)` on the builder"
    )]
    NotInRole {
        /// The missing role: `commands` or `queries`.
        role: &'static str,
    },
    /// This dispatcher does not have the projection that a command was to be
    /// [waited for](crate::app::ExecuteCall::and_wait_for): its module is not among the dispatcher's.
    /// The command was not sent.
    #[error(
        "this dispatcher has no projection `{name}` ({declared_at}): include `{}` with `.module(..)` \
         on the builder, or do not wait for it",
        .declared_at.module
    )]
    NoProjection {
        /// The projection's name.
        name: &'static str,
        /// The projection's place.
        declared_at: Source,
    },
    /// The query cannot be [watched](crate::dispatcher::Dispatcher::watch): nothing that its handler
    /// takes tells when the answer changes.
    #[error(
        "`{query}` cannot be watched: its handler `{handler}` reads no read model, so nothing tells when \
         the answer changes. Let it take `Read<..>`, `ReadTx<..>` or `Reader<..>`, or ask it again with \
         `query`"
    )]
    NotWatchable {
        /// The query's name.
        query: &'static str,
        /// The handler's name.
        handler: &'static str,
    },
    /// This dispatcher does not schedule commands: [`.schedules()`](crate::app::Builder::schedules) is missing on
    /// its builder.
    #[error(
        "this dispatcher does not schedule commands: add `.schedules()` to its builder, and to that of each \
         process that schedules or carries out commands"
    )]
    NoSchedules,
    /// The dispatcher is shut down, or is shutting down, and takes no new work. Nothing was
    /// recorded. Send the message to another process, or again after a restart.
    #[error("the dispatcher is shut down: nothing was done")]
    ShutDown,
    /// The store could not read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store could not append. The variant tells whether a retry can succeed.
    #[error(transparent)]
    Append(AppendError),
}

crate::debug_as_report!(Failure, Invalid, Unknown);

fn take_in(elsewhere: Option<&Source>) -> String {
    match elsewhere {
        Some(source) => format!(
            "the one in `{}` ({source}) needs `.module(..)` on the builder",
            source.module
        ),
        None => "write one, or include the crate that has one with `.module(..)`".to_owned(),
    }
}

impl Failure {
    pub(crate) fn handler(handler: &'static str, error: Error) -> Self {
        Self::Handler {
            handler,
            source: error.into(),
        }
    }
}

/// Input that is invalid in every state.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", .field.as_ref().map(|field| format!("`{field}`: ")).unwrap_or_default())]
pub struct Invalid {
    /// The path of the invalid field, such as `lines[2].price`. `None` for the message as a whole.
    pub field: Option<String>,
    /// The reason, as a caller may read it.
    pub reason: String,
    pub(crate) kind: InvalidKind,
}

/// What is invalid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidKind {
    /// A value.
    Value,
    /// The JSON.
    Json,
    /// The command's id, which was used for another command.
    Id,
}

impl Invalid {
    /// Creates an error about the message as a whole.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            field: None,
            reason: reason.into(),
            kind: InvalidKind::Value,
        }
    }

    /// Creates an error about one field.
    pub fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            reason: reason.into(),
            kind: InvalidKind::Value,
        }
    }

    /// Whether the JSON does not have the form of the message: no value was looked at, by
    /// [`Validate`](crate::Validate) for example.
    pub fn is_malformed(&self) -> bool {
        self.kind == InvalidKind::Json
    }

    /// Creates the error of a command whose id was used before for another one.
    pub(crate) fn mismatch(command: CommandId) -> Self {
        Self {
            kind: InvalidKind::Id,
            ..Self::new(AppendError::CommandMismatch { command }.to_string())
        }
    }
}

/// No message has this name.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} `{name}`{}", .suggestion.map(|s| format!(": did you mean `{s}`?")).unwrap_or_default())]
pub struct Unknown {
    /// `command`, `query`, `aggregate` or `process manager`.
    pub kind: &'static str,
    /// The unknown name.
    pub name: String,
    /// The most similar registered name.
    pub suggestion: Option<&'static str>,
}
