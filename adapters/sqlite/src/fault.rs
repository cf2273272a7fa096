use std::any::Any;
use std::sync::Arc;

use cqrs_core::store::{AppendError, StoreError, ViewCommitError};
use cqrs_kit::prepared::ImpossibleTime;
use rusqlite::{Error, ErrorCode};

/// Why a transaction failed.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    kind: Kind,
    reason: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The request cannot be stored.
    Data,
    /// The transaction that a handler worked in cannot be committed.
    Transaction,
    /// The request failed or panicked. Others may succeed.
    Failed,
    /// The disk is full; a smaller request may fit.
    Full,
    /// The database holds what cannot be read.
    Corrupt,
    /// The database can only be read.
    ReadOnly,
    /// The files at the database's path are not the open ones.
    Replaced,
    /// The database cannot be used now.
    Unavailable,
    /// Whether the transaction was committed is not known.
    Unknown,
}

impl Fault {
    /// The database holds what cannot be read.
    pub(crate) fn corrupt(reason: impl Into<Arc<str>>) -> Self {
        Self {
            kind: Kind::Corrupt,
            reason: reason.into(),
        }
    }

    /// The database can only be read.
    pub(crate) fn read_only(reason: impl Into<Arc<str>>) -> Self {
        Self {
            kind: Kind::ReadOnly,
            reason: reason.into(),
        }
    }

    /// The files at the database's path are not the open ones.
    pub(crate) fn replaced(reason: impl Into<Arc<str>>) -> Self {
        Self {
            kind: Kind::Replaced,
            reason: reason.into(),
        }
    }

    /// The request cannot be stored.
    pub(crate) fn data(reason: impl Into<Arc<str>>) -> Self {
        Self {
            kind: Kind::Data,
            reason: reason.into(),
        }
    }

    /// The transaction that a handler worked in cannot be committed.
    pub(crate) fn transaction(reason: impl Into<Arc<str>>) -> Self {
        Self {
            kind: Kind::Transaction,
            reason: reason.into(),
        }
    }

    /// A panic that was caught.
    pub(crate) fn panic(payload: &(dyn Any + Send)) -> Self {
        let message = match payload.downcast_ref::<&str>() {
            Some(text) => text,
            None => payload
                .downcast_ref::<String>()
                .map_or("no message", String::as_str),
        };
        let reason =
            format!("cqrs-sqlite panicked, nothing was done: please report it ({message})");
        Self {
            kind: Kind::Failed,
            reason: reason.into(),
        }
    }

    /// The same fault, if it is unknown whether the transaction was committed.
    pub(crate) fn unknown(self) -> Self {
        Self {
            kind: Kind::Unknown,
            ..self
        }
    }

    /// The same fault, once it is known that nothing was committed.
    pub(crate) fn undone(self) -> Self {
        Self {
            kind: Kind::Unavailable,
            ..self
        }
    }

    /// Whether every request would fail like this, so that there is no use in trying them one by one.
    pub(crate) fn is_general(&self) -> bool {
        match self.kind {
            Kind::Corrupt | Kind::ReadOnly | Kind::Replaced | Kind::Unavailable | Kind::Unknown => {
                true
            }
            Kind::Data | Kind::Transaction | Kind::Failed | Kind::Full => false,
        }
    }

    /// Whether a commit with this error has certainly not happened. A full disk stops a commit before
    /// its last page is written, and a busy database has written nothing.
    pub(crate) fn is_certain(error: &Error) -> bool {
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (kind, advice) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => (Kind::Full, "make room on the disk"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                Kind::Unavailable,
                "another process held the lock: try again later",
            ),
            Some(ErrorCode::ReadOnly) => (
                Kind::ReadOnly,
                "make sure that this process may write the database, its directory and the \
                 files beside it",
            ),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                (Kind::Corrupt, "restore the database from a backup")
            }
            Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                (Kind::Data, "SQLite refuses it")
            }
            Some(ErrorCode::Unknown) => (Kind::Failed, "SQLite cannot carry it out"),
            Some(_) => (Kind::Unavailable, "SQLite failed"),
            None if matches!(error, Error::ToSqlConversionFailure(_) | Error::NulError(_)) => {
                (Kind::Data, "SQLite refuses it")
            }
            None => (Kind::Corrupt, "the database holds a value of another kind"),
        };
        Self {
            kind,
            reason: format!("{advice} ({error})").into(),
        }
    }
}

impl From<ImpossibleTime> for Fault {
    fn from(error: ImpossibleTime) -> Self {
        Self::corrupt(error.to_string())
    }
}

impl From<Fault> for AppendError {
    fn from(fault: Fault) -> Self {
        let Fault { kind, reason } = fault;
        match kind {
            Kind::Data => Self::Invalid {
                reason: reason.as_ref().to_owned(),
            },
            Kind::Transaction => Self::Transaction { reason },
            Kind::Unknown => Self::Indeterminate { reason },
            _ => Self::Store(Fault { kind, reason }.into()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(Fault { kind, reason }: Fault) -> Self {
        match kind {
            Kind::Data | Kind::Corrupt => Self::Corrupt { reason },
            Kind::ReadOnly => Self::ReadOnly { reason },
            Kind::Replaced => Self::Replaced { reason },
            Kind::Full => Self::Full { reason },
            Kind::Transaction | Kind::Failed | Kind::Unavailable | Kind::Unknown => {
                Self::Unavailable { reason }
            }
        }
    }
}

impl From<Fault> for ViewCommitError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.into())
    }
}
