use cqrs_core::store::{AppendError, Appended};

use crate::fault::{Fault, Kind};
use crate::transaction::flushes::CommittedAppend;

/// The result of an append in a transaction.
pub(super) enum AppendOutcome {
    Done(Appended),
    /// It is committed, and perhaps not durable yet.
    Committed(Appended, CommittedAppend),
    Refused(AppendError),
    /// The command was recorded before.
    Duplicate(Fault),
    /// The connection was lost, so the commit may have happened.
    Unknown(Fault),
}

impl AppendOutcome {
    /// The outcome of the statement and the commit, which were sent together.
    pub(super) fn of(
        written: Result<bool, Fault>,
        committed: Result<(), Fault>,
        appended: Appended,
    ) -> Result<Self, Fault> {
        match (written, committed) {
            (Ok(_), Ok(())) => Ok(Self::Done(appended)),
            (Err(fault), _) if fault.kind() == Kind::Duplicate => Ok(Self::Duplicate(fault)),
            (Err(fault), _) | (Ok(_), Err(fault)) if fault.kind() == Kind::Lost => {
                Ok(Self::Unknown(fault))
            }
            (Err(fault), _) => Err(fault),
            (Ok(_), Err(fault)) if fault.kind() == Kind::Contention => Err(fault),
            // Deferred constraints of the handler's tables.
            (Ok(_), Err(fault)) => Ok(Self::Refused(AppendError::Transaction {
                reason: fault.reason(),
            })),
        }
    }
}
