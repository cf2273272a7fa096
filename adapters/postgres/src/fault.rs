use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::{AppendError, StoreError, ViewCommitError};
use cqrs_kit::prepared::ImpossibleTime;
use deadpool::managed::PoolError;

/// The failure of a statement, classified by what can be done about it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    kind: Kind,
    reason: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The data of one request, which fails again whenever it is sent.
    Data,
    /// A unique row exists already.
    Duplicate,
    /// Another transaction was in the way. Retrying is safe.
    Contention,
    /// Another process moved the head first. Nothing was written.
    Overtaken,
    /// A statement that a handler has recorded.
    Statement,
    /// Such a statement met a lock that another transaction holds.
    Blocked,
    /// An earlier statement of a handler's transaction failed, and PostgreSQL accepts no other.
    Aborted,
    /// The disk is full.
    Full,
    /// The database cannot be reached, or ended the connection. What was sent may have happened.
    Lost,
    /// The database holds data that this program does not write.
    Corrupt,
    /// Anything else, such as a missing permission, a missing table, or a timeout.
    Refused,
}

impl Fault {
    pub(crate) fn new(kind: Kind, reason: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            reason: reason.into(),
        }
    }

    pub(crate) fn data(reason: impl Into<Arc<str>>) -> Self {
        Self::new(Kind::Data, reason)
    }

    pub(crate) fn corrupt(reason: impl Into<Arc<str>>) -> Self {
        Self::new(Kind::Corrupt, reason)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn reason(&self) -> Arc<str> {
        self.reason.clone()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The beginning of the error of the server about a parameter whose type was dropped.
const MISSING_TYPE: &str = "cache lookup failed for type";

/// By SQLSTATE, see "PostgreSQL Error Codes" in PostgreSQL's documentation.
fn kind_of(code: &str) -> Kind {
    match code {
        "23505" => Kind::Duplicate,
        "25P02" => Kind::Aborted,
        "53100" => Kind::Full,
        // Too many connections, shutting down, starting up: the database is unavailable for a while. And
        // what ends a connection: it, or its transaction, was idle for too long, or the latter took too long.
        // A session that has become read-only leads to a server that is not the leader any more.
        "25006" | "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => Kind::Lost,
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Kind::Contention,
        code => match code.get(..2) {
            // Data exceptions, integrity constraints, limits of the program, `NUL` in a text.
            Some("22" | "23" | "54") => Kind::Data,
            Some("08") => Kind::Lost,
            Some("XX") => Kind::Corrupt,
            _ => Kind::Refused,
        },
    }
}

pub(crate) fn kind_of_error(error: &tokio_postgres::Error) -> Kind {
    if let Some(error) = error.as_db_error() {
        // Statements name the row types of the tables. If the tables were created again while the
        // connection was open, those are gone, and the next connection finds out about the log.
        if error.code().code() == "XX000" && error.message().starts_with(MISSING_TYPE) {
            return Kind::Lost;
        }
        return kind_of(error.code().code());
    }
    let text = error.to_string();
    // The client distinguishes its own errors by their texts only.
    if text.starts_with("error serializing") {
        Kind::Data
    } else if text.starts_with("error deserializing") || text.starts_with("invalid column") {
        Kind::Corrupt
    } else {
        Kind::Lost
    }
}

/// An error of an exchange with the server.
pub(crate) trait ExchangeError: From<Unanswered> {
    /// Whether the connection is of no use any more.
    fn is_lost(&self) -> bool;
}

impl ExchangeError for Fault {
    fn is_lost(&self) -> bool {
        self.kind == Kind::Lost
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let kind = kind_of_error(&error);
        if let Some(error) = error.as_db_error() {
            return Self::new(kind, error.to_string());
        }
        let text = error.to_string();
        let reason = error.source().map(|source| format!("{text}: {source}"));
        Self::new(kind, reason.unwrap_or(text))
    }
}

/// There was no answer for this long: the server hangs, or the network drops packets.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("PostgreSQL has not answered for {0:?}, and the connection was closed")]
pub(crate) struct Unanswered(pub(crate) Duration);

impl From<Unanswered> for Fault {
    fn from(unanswered: Unanswered) -> Self {
        Self::new(Kind::Lost, unanswered.to_string())
    }
}

impl From<ImpossibleTime> for Fault {
    fn from(error: ImpossibleTime) -> Self {
        Self::corrupt(error.to_string())
    }
}

impl From<PoolError<Self>> for Fault {
    fn from(error: PoolError<Self>) -> Self {
        match error {
            PoolError::Backend(fault) => fault,
            PoolError::Timeout(_) => Self::new(
                Kind::Lost,
                "all connections of the pool are in use, and none came back within `retry_timeout`",
            ),
            error => Self::new(Kind::Lost, error.to_string()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let reason = fault.reason;
        match fault.kind {
            Kind::Corrupt | Kind::Data | Kind::Duplicate => Self::Corrupt { reason },
            Kind::Full => Self::Full { reason },
            Kind::Aborted
            | Kind::Blocked
            | Kind::Contention
            | Kind::Lost
            | Kind::Overtaken
            | Kind::Refused
            | Kind::Statement => Self::Unavailable { reason },
        }
    }
}

impl From<Fault> for ViewCommitError {
    fn from(fault: Fault) -> Self {
        StoreError::from(fault).into()
    }
}

/// Of an append that did not happen.
impl From<Fault> for AppendError {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            Kind::Data => Self::Invalid {
                reason: fault.reason.to_string(),
            },
            Kind::Aborted => Self::Transaction {
                reason: "a statement in it had failed: return its error, or guard it with a \
                         SAVEPOINT"
                    .into(),
            },
            // A deferred constraint, which does not name a statement.
            Kind::Statement | Kind::Blocked => Self::Statement {
                statement: "COMMIT".into(),
                reason: fault.reason,
            },
            // The command's id was found to be taken, and its record could not be looked up.
            Kind::Duplicate => Self::Store(StoreError::Unavailable {
                reason: fault.reason,
            }),
            _ => Self::Store(fault.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_there_is_to_do() {
        let kinds = [
            ("23505", Kind::Duplicate),
            ("22021", Kind::Data),
            ("23514", Kind::Data),
            ("25P02", Kind::Aborted),
            ("25006", Kind::Lost),
            ("25P03", Kind::Lost),
            ("53100", Kind::Full),
            ("57P01", Kind::Lost),
            ("08006", Kind::Lost),
            ("40001", Kind::Contention),
            ("42501", Kind::Refused),
            ("57014", Kind::Refused),
            ("XX001", Kind::Corrupt),
        ];
        for (code, kind) in kinds {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }
}
