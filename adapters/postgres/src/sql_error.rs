use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tokio_postgres::error::SqlState;

use crate::fault::{ExchangeError, Fault, Kind, Unanswered, kind_of_error};

/// Why a statement of a handler failed.
#[non_exhaustive]
pub enum SqlError {
    /// There was no connection.
    Unreachable {
        /// What happened.
        reason: Arc<str>,
    },
    /// The error of the database, or of the client.
    Failed(tokio_postgres::Error),
}

impl SqlError {
    /// The SQLSTATE code, if the error is the database's.
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Unreachable { .. } => None,
            Self::Failed(error) => error.code(),
        }
    }
}

/// With what the client keeps for its source: it says no more than `db error` by itself.
impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { reason } => write!(f, "no connection to PostgreSQL: {reason}"),
            Self::Failed(error) => match error.source() {
                Some(source) => write!(f, "{source}"),
                None => write!(f, "{error}"),
            },
        }
    }
}

impl Error for SqlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { .. } => None,
            // Its own text says no more than its source, which `Display` shows in its place.
            Self::Failed(error) => error.source(),
        }
    }
}

cqrs_core::debug_as_report!(SqlError);

impl ExchangeError for SqlError {
    fn is_lost(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // A function of the program may have dropped what is prepared, of which the client knows nothing.
            Self::Failed(error) => {
                kind_of_error(error) == Kind::Lost
                    || error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
            }
        }
    }
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Fault> for SqlError {
    fn from(fault: Fault) -> Self {
        Self::Unreachable {
            reason: fault.reason(),
        }
    }
}

impl From<Unanswered> for SqlError {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unreachable {
            reason: unanswered.to_string().into(),
        }
    }
}

impl From<SqlError> for Fault {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Failed(error) => error.into(),
            SqlError::Unreachable { reason } => Self::new(Kind::Lost, reason),
        }
    }
}
