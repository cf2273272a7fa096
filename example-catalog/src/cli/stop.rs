use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use cqrs_core::app::BuildError;
use cqrs_core::error::Failure;
use cqrs_core::store::StoreError;
use cqrs_core::{CommandError, QueryError};
use cqrs_postgres::ConnectError;
use cqrs_sqlite::OpenError;

use super::out::{BAD, complain};
use super::signal::Signal;

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub enum Stop {
    /// The catalog said no.
    Refused(String),
    /// The request makes no sense.
    Invalid(String),
    /// Something failed.
    Failed(String),
    /// A signal ended it.
    Interrupted(Signal, String),
    /// The answer has said it all.
    Silent(u8),
}

impl Stop {
    pub fn failed(what: impl fmt::Display) -> Self {
        Self::Failed(what.to_string())
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

    /// Says why on the standard error.
    pub fn report(self) -> ExitCode {
        let (code, text) = match self {
            Self::Refused(text) => (1, text),
            Self::Invalid(text) => (2, text),
            Self::Failed(text) => (3, text),
            Self::Interrupted(signal, text) => (signal.exit_code(), text),
            Self::Silent(code) => return code.into(),
        };
        complain(format_args!("{BAD}error:{BAD:#}"), &text);
        code.into()
    }
}

impl<E: Error + 'static> From<CommandError<E>> for Stop {
    fn from(error: CommandError<E>) -> Self {
        let text = error.to_string();
        match error {
            CommandError::Rejected(_) | CommandError::Denied(_) => Self::Refused(text),
            CommandError::Invalid(_) | CommandError::Unknown(_) => Self::Invalid(text),
            CommandError::Conflict { .. } | CommandError::Failed(_) => Self::Failed(text),
        }
    }
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::Denied(_) => Self::Refused(text),
            QueryError::Invalid(_) | QueryError::Unknown(_) => Self::Invalid(text),
            QueryError::NotCaughtUp { .. } | QueryError::Failed(_) => Self::Failed(text),
        }
    }
}

impl From<ConnectError> for Stop {
    fn from(error: ConnectError) -> Self {
        let text = error.to_string();
        match error {
            ConnectError::Url { .. } | ConnectError::Schema { .. } => Self::Invalid(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<cqrs_umadb::ConnectError> for Stop {
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
        impl From<$error> for Stop {
            fn from(error: $error) -> Self {
                Self::failed(error)
            }
        }
    )+};
}

failures!(BuildError, OpenError, Failure, StoreError, io::Error);
