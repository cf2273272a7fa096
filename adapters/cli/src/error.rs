use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use cqrs_core::app::BuildError;
use cqrs_core::error::{Failure, OperationError, QueryErrorKind};
use cqrs_core::store::StoreError;
use cqrs_core::{CommandError, QueryError};
use serde_json::json;

use crate::out::{BAD, eprint_json, eprint_line, without_passwords};
use crate::signal::Signal;

/// The reason why a verb ends without success. Each has an exit code of its own.
#[derive(Debug)]
#[non_exhaustive]
pub enum CliError {
    /// A rejected or denied message, or nothing found. The exit code is 1.
    Refused(String),
    /// An invalid request. The exit code is 2.
    Invalid(String),
    /// A failure of the store, a file or a handler. The exit code is 3.
    Failed(String),
    /// A signal to stop, with the exit code that shells use for it.
    #[non_exhaustive]
    Interrupted {
        /// 130 or 143.
        code: u8,
        /// What was not finished.
        reason: String,
    },
    /// An exit code without a message, because the output is sufficient.
    Silent(u8),
}

impl CliError {
    /// A failure with this text.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(crate) fn interrupted(signal: Signal, reason: impl Into<String>) -> Self {
        Self::Interrupted {
            code: signal.exit_code(),
            reason: reason.into(),
        }
    }

    /// The same with another text.
    pub(crate) fn map(self, text: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Refused(before) => Self::Refused(text(before)),
            Self::Invalid(before) => Self::Invalid(text(before)),
            Self::Failed(before) => Self::Failed(text(before)),
            Self::Interrupted { code, reason } => Self::Interrupted {
                code,
                reason: text(reason),
            },
            Self::Silent(code) => Self::Silent(code),
        }
    }

    /// Prints the message to the standard error, and returns the exit code.
    pub(crate) fn report(self, as_json: bool) -> ExitCode {
        let (code, text) = match self {
            Self::Refused(text) => (1, text),
            Self::Invalid(text) => (2, text),
            Self::Failed(text) => (3, text),
            Self::Interrupted { code, reason } => (code, reason),
            Self::Silent(code) => return code.into(),
        };
        if as_json {
            eprint_json(&json!({"error": without_passwords(&text), "code": code}));
        } else {
            eprint_line(format_args!("{BAD}error:{BAD:#}"), &text);
        }
        code.into()
    }
}

impl<E: Error + 'static> From<CommandError<E>> for CliError {
    fn from(error: CommandError<E>) -> Self {
        let text = error.to_string();
        match error {
            CommandError::Rejected(_) | CommandError::Denied(_) => Self::Refused(text),
            CommandError::Invalid(_) | CommandError::Unknown(_) => Self::Invalid(text),
            CommandError::Conflict { .. }
            | CommandError::Moved { .. }
            | CommandError::Failed(_) => Self::Failed(text),
        }
    }
}

impl From<QueryError> for CliError {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error.kind() {
            QueryErrorKind::Denied(_) => Self::Refused(text),
            QueryErrorKind::Invalid(_) | QueryErrorKind::Unknown(_) => Self::Invalid(text),
            QueryErrorKind::NotCaughtUp(_)
            | QueryErrorKind::Parked(_)
            | QueryErrorKind::Rebuilding(_)
            | QueryErrorKind::Failed(_) => Self::Failed(text),
        }
    }
}

impl From<OperationError> for CliError {
    /// What the state of the subscription forbids is refused; a store that fails is a failure.
    fn from(error: OperationError) -> Self {
        let text = error.to_string();
        match error {
            OperationError::Unknown { .. }
            | OperationError::NotAProjection { .. }
            | OperationError::NotPartitioned { .. }
            | OperationError::ShardCount { .. } => Self::Invalid(text),
            OperationError::NotParked { .. }
            | OperationError::NotNext { .. }
            | OperationError::NotBack { .. }
            | OperationError::UnknownVersion { .. }
            | OperationError::AlreadyLive { .. }
            | OperationError::NotComplete { .. }
            | OperationError::Live { .. }
            | OperationError::InUse { .. } => Self::Refused(text),
            _ => Self::Failed(text),
        }
    }
}

#[cfg(feature = "postgres")]
impl From<cqrs_postgres::ConnectError> for CliError {
    fn from(error: cqrs_postgres::ConnectError) -> Self {
        use cqrs_postgres::ConnectError;
        let text = error.to_string();
        match error {
            ConnectError::Url { .. } | ConnectError::Schema { .. } => Self::Invalid(text),
            _ => Self::Failed(text),
        }
    }
}

#[cfg(feature = "umadb")]
impl From<cqrs_umadb::ConnectError> for CliError {
    fn from(error: cqrs_umadb::ConnectError) -> Self {
        let text = error.to_string();
        match error {
            cqrs_umadb::ConnectError::Url { .. } => Self::Invalid(text),
            _ => Self::Failed(text),
        }
    }
}

macro_rules! failures {
    ($($(#[$feature:meta])? $error:ty),+ $(,)?) => {$(
        $(#[$feature])?
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::failed(error)
            }
        }
    )+};
}

failures!(
    #[cfg(feature = "sqlite")]
    cqrs_sqlite::OpenError,
    Failure,
    StoreError,
    io::Error,
    fmt::Error,
    serde_json::Error,
);

impl From<BuildError> for CliError {
    /// With its causes.
    fn from(error: BuildError) -> Self {
        Self::Failed(format!("{error:?}"))
    }
}
