use std::sync::Arc;

use super::Position;
use crate::CommandId;

/// Reasons that an append did not happen. After each but [`Indeterminate`](Self::Indeterminate),
/// nothing was done.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// An event or state that the decision depended on changed: read again and decide again.
    #[error("the boundary changed at position {at}")]
    Conflict {
        /// The position of the event that conflicts.
        at: Position,
    },
    /// The command's id was used before with another body.
    #[error("command id {command} was used before for another command, or with other fields")]
    CommandMismatch {
        /// The id.
        command: CommandId,
    },
    /// The append exceeds a limit, or has data that the store cannot keep.
    #[error("the append is not valid: {reason}")]
    Invalid {
        /// Description of the problem.
        reason: String,
    },
    /// The store's queue is full: nothing was done, try again later.
    #[error("the store is overloaded: {waiting} appends are waiting")]
    Overloaded {
        /// Number of waiting requests.
        waiting: usize,
    },
    /// The handler's transaction, `&mut Tx<..>`, cannot be committed: nothing was done.
    #[error("the handler's transaction was not committed: {reason}")]
    Transaction {
        /// The action of the handler or the database that prevents the commit.
        reason: Arc<str>,
    },
    /// A statement that the handler has recorded in its `&mut Writes<..>` failed: nothing was done.
    #[error("a statement of the handler failed: {reason}, in `{statement}`")]
    Statement {
        /// The statement, without its parameters.
        statement: Arc<str>,
        /// The database's error.
        reason: Arc<str>,
    },
    /// The store was lost after the append was sent, so its outcome is unknown. Send the same
    /// command id again to learn whether it was recorded.
    #[error("it is not known whether the append happened: {reason}")]
    Indeterminate {
        /// Description of the failure.
        reason: Arc<str>,
    },
    /// The store failed: nothing was done.
    #[error(transparent)]
    Store(#[from] StoreError),
}

crate::debug_as_report!(AppendError, StoreError);

/// A failure of a store in any operation.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be reached, or is closed.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// Description of the failure.
        reason: Arc<str>,
    },
    /// The store was opened read-only, and the operation writes.
    #[error("the store is read-only: {reason}")]
    ReadOnly {
        /// The open data, and the way to open it for writing.
        reason: Arc<str>,
    },
    /// The data that this process has open was deleted, moved or replaced.
    #[error("the store was replaced: {reason}")]
    Replaced {
        /// The replaced data, and the remedy.
        reason: Arc<str>,
    },
    /// The disk, or another limit of the store's size, is full.
    #[error("the store is full: {reason}")]
    Full {
        /// Message of the store.
        reason: Arc<str>,
    },
    /// The stored data cannot be read.
    #[error("the store holds what this program cannot read: {reason}")]
    Corrupt {
        /// Description and place of the problem.
        reason: Arc<str>,
    },
    /// The log does not continue the one that was read earlier: it ends before a position seen
    /// then, or has another event there. A backup was restored, a failover lost events, or the log
    /// was created again.
    #[error(
        "the log was replaced: it ends at {head} and does not continue what was read up to \
         position {seen} (a backup was restored, or a failover lost events)"
    )]
    Rewound {
        /// The current head.
        head: Position,
        /// The position seen earlier.
        seen: Position,
    },
}
