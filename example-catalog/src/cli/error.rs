use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use cqrs_core::app::BuildError;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::error::{Failure, OperationError};
use cqrs_core::store::StoreError;
use cqrs_core::{CommandError, QueryError};
use cqrs_postgres::ConnectError;
use cqrs_sqlite::OpenError;

use super::out::{BAD, eprint_line};
use super::signal::Signal;

/// The reason why the program ends without success.
#[derive(Debug)]
pub enum CliError {
    /// A rejected or denied message, or nothing found.
    Refused(String),
    /// An invalid request.
    Invalid(String),
    /// A failure of the database, a file or a handler.
    Failed(String),
    /// A signal to stop.
    Interrupted(Signal, String),
    /// An exit code without a message, because the output is sufficient.
    Silent(u8),
}

impl CliError {
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// The same with another text.
    pub fn map(self, text: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Refused(before) => Self::Refused(text(before)),
            Self::Invalid(before) => Self::Invalid(text(before)),
            Self::Failed(before) => Self::Failed(text(before)),
            Self::Interrupted(signal, before) => Self::Interrupted(signal, text(before)),
            Self::Silent(code) => Self::Silent(code),
        }
    }

    /// Prints the message to the standard error, and returns the exit code.
    pub fn report(self) -> ExitCode {
        let (code, text) = match self {
            Self::Refused(text) => (1, text),
            Self::Invalid(text) => (2, text),
            Self::Failed(text) => (3, text),
            Self::Interrupted(signal, text) => (signal.exit_code(), text),
            Self::Silent(code) => return code.into(),
        };
        eprint_line(format_args!("{BAD}error:{BAD:#}"), &text);
        code.into()
    }
}

impl<E: Error + 'static> From<CommandError<E>> for CliError {
    fn from(error: CommandError<E>) -> Self {
        let text = error.to_string();
        match error {
            CommandError::Rejected(_) | CommandError::Denied(_) => Self::Refused(text),
            CommandError::Invalid(_) | CommandError::Unknown(_) => Self::Invalid(text),
            CommandError::Conflict { .. } | CommandError::Failed(_) => Self::Failed(text),
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
    fn from(error: OperationError) -> Self {
        let text = error.to_string();
        match error {
            OperationError::Unknown { .. } | OperationError::NotAProjection { .. } => {
                Self::Invalid(text)
            }
            _ => Self::Failed(text),
        }
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        let text = error.to_string();
        match error {
            ConnectError::Url { .. } | ConnectError::Schema { .. } => Self::Invalid(text),
            _ => Self::Failed(text),
        }
    }
}

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
    ($($error:ty),+) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::failed(error)
            }
        }
    )+};
}

failures!(OpenError, Failure, StoreError, io::Error);

impl From<BuildError> for CliError {
    /// With its causes.
    fn from(error: BuildError) -> Self {
        Self::Failed(format!("{error:?}"))
    }
}
