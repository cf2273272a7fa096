use std::fmt;
use std::io;
use std::process::ExitCode;

use cqrs_core::error::Failure;
use cqrs_core::store::StoreError;
use cqrs_core::wiring::BuildError;
use cqrs_core::{CommandError, QueryError};
use cqrs_sqlite::OpenError;

use super::out::{BAD, complain};

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub enum Stop {
    /// The catalogue said no.
    Refused(String),
    /// The request makes no sense.
    Invalid(String),
    /// Something failed.
    Failed(String),
    /// The answer has said it all.
    Silent(u8),
}

impl Stop {
    pub fn failed(what: impl fmt::Display) -> Self {
        Self::Failed(what.to_string())
    }

    /// Says why on the standard error.
    pub fn report(self) -> ExitCode {
        let (code, text) = match self {
            Self::Refused(text) => (1, text),
            Self::Invalid(text) => (2, text),
            Self::Failed(text) => (3, text),
            Self::Silent(code) => return code.into(),
        };
        complain(format_args!("{BAD}error:{BAD:#}"), &text);
        code.into()
    }
}

impl<E: fmt::Display> From<CommandError<E>> for Stop {
    fn from(error: CommandError<E>) -> Self {
        match error {
            CommandError::Rejected(error) => Self::Refused(error.to_string()),
            CommandError::Denied(denied) => Self::Refused(denied.to_string()),
            CommandError::Invalid(_) | CommandError::Unknown(_) => Self::Invalid(text(&error)),
            CommandError::Conflict { .. } | CommandError::Failed(_) => Self::Failed(text(&error)),
        }
    }
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Denied(_) => Self::Refused(error.to_string()),
            QueryError::Invalid(_) | QueryError::Unknown(_) => Self::Invalid(error.to_string()),
            QueryError::Behind { .. } | QueryError::Failed(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<BuildError> for Stop {
    fn from(error: BuildError) -> Self {
        Self::failed(error)
    }
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Self::failed(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::failed(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::failed(error)
    }
}

/// An error that is none of the domain's as text.
fn text<E: fmt::Display>(error: &CommandError<E>) -> String {
    match error {
        CommandError::Rejected(error) => error.to_string(),
        CommandError::Conflict { at, attempts } => {
            format!("gave up after {attempts} attempts: overtaken again at position {at}")
        }
        CommandError::Invalid(invalid) => format!("invalid command: {invalid}"),
        CommandError::Denied(denied) => denied.to_string(),
        CommandError::Unknown(unknown) => unknown.to_string(),
        CommandError::Failed(failure) => failure.to_string(),
    }
}
