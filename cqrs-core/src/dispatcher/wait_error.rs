use std::fmt;

use super::Receipt;
use crate::error::{CommandError, Failure, QueryError, QueryErrorKind, Rejected};
use crate::report::report;

/// The error of a command that was to be [waited for](super::ExecuteCall::and_wait_for). The variants
/// tell whether the command was carried out.
#[derive(thiserror::Error)]
pub enum WaitError<E = Rejected> {
    /// The command was not carried out, for the reason that it would have without the wait.
    #[error(transparent)]
    Command(CommandError<E>),
    /// The command was carried out: only the wait failed. A query
    /// [after](super::QueryCall::after) the receipt continues it.
    #[error(
        "the command `{}` was carried out, and the wait for its events at position {} failed: {}",
        .receipt.command(),
        .receipt.last(),
        reason(error)
    )]
    Recorded {
        /// The result of the command.
        receipt: Receipt,
        /// The error of the wait: usually [`NotCaughtUp`](crate::error::QueryErrorKind::NotCaughtUp), or
        /// [`ShutDown`](crate::error::Failure::ShutDown).
        error: QueryError,
    },
}

/// The error of a wait in words. That of a shutdown says that nothing was done, which is so for queries only.
fn reason(error: &QueryError) -> String {
    match error.kind() {
        QueryErrorKind::Failed(Failure::ShutDown) => "the dispatcher was shut down".to_owned(),
        _ => error.to_string(),
    }
}

impl<E> WaitError<E> {
    /// The result of the command, if it was carried out.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Recorded { receipt, .. } => Some(receipt),
            Self::Command(_) => None,
        }
    }
}

impl<E: std::error::Error> fmt::Debug for WaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        report(self, f)
    }
}

impl<E> From<CommandError<E>> for WaitError<E> {
    fn from(error: CommandError<E>) -> Self {
        Self::Command(error)
    }
}
