//! Transactions that handlers work in.

pub(crate) mod guard;
pub(crate) mod lease;

use std::fmt;
use std::ops::Deref;

use cqrs_core::Position;
use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, HasReader, LogTransaction, Shard, StoreError,
    Transactional, ViewBatch, ViewCommitError, ViewTransaction,
};
use rusqlite::Connection;

use crate::write::{AppendTask, Task, ViewTask};
use crate::{SqlReader, Sqlite};
use lease::Lease;

/// The transaction of a handler: `&mut Tx<Sqlite>` derefs to this, and this to
/// [`rusqlite::Connection`]. Its writes commit together with the events or the checkpoint.
///
/// ```
/// use cqrs_core::Tx;
/// use cqrs_sqlite::{Sqlite, rusqlite};
///
/// fn reserve(name: &str, tx: &mut Tx<Sqlite>) -> rusqlite::Result<bool> {
///     let reserve = "INSERT INTO names (name) VALUES (?1) ON CONFLICT DO NOTHING";
///     Ok(tx.execute(reserve, [name])? == 1)
/// }
/// ```
///
/// This is the connection of the store's writing thread, which holds the database's write lock. From
/// the beginning to the end of the transaction nothing else is written: appends and projections of
/// this process wait in the queue, other processes up to their busy timeout. So:
///
/// - Do not wait for anything slow in the handler, nor for anything that writes to this store, which
///   would wait for the handler.
/// - Statements run on the thread of the handler. Wrap slow ones in `tokio::task::block_in_place`.
/// - A statement, or its rows, cannot be kept across an `.await`.
///
/// The store's own tables and the end of the transaction are protected. SQLite answers
/// `not authorized` to statements that write to `events`, `event_tags`, `commands`, `states`,
/// `checkpoints`, `models`, `meta`, or any table whose name begins with `view_`; to `BEGIN`,
/// `COMMIT`, `ROLLBACK`, `ATTACH` and `DETACH`; and to pragmas that set something, except
/// `defer_foreign_keys`. Reading is free, and so are savepoints. When the transaction ends all the
/// same, because of `OR ROLLBACK` or a full disk, nothing that the handler does is kept, whether it
/// returns the error or not.
pub struct Transaction {
    // Dropped in this order: closing the store waits for the lease.
    lease: Lease,
    store: Sqlite,
}

impl Transaction {
    /// Gives the connection back. The store is to be kept until the answer has come.
    fn complete(self, task: impl Task + 'static) -> Sqlite {
        let Self { lease, store } = self;
        lease.complete(task);
        store
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.lease.conn()
    }
}

impl ViewTransaction for Transaction {
    fn checkpoint(&mut self, shard: Shard) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        Box::pin(async move { self.lease.checkpoint(&shard) })
    }

    fn commit(self, batch: ViewBatch) -> BoxFuture<'static, Result<(), ViewCommitError>> {
        Box::pin(async move {
            let (task, answer) = ViewTask::new(batch)?;
            let store = self.complete(task);
            store.shared().writer()?.committed(answer).await
        })
    }
}

impl LogTransaction for Transaction {
    fn append(self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        Box::pin(async move {
            let (task, answer) = AppendTask::new(append)?;
            let store = self.complete(task);
            store.shared().writer()?.appended(answer).await
        })
    }
}

impl Transactional for Sqlite {
    type Transaction = Transaction;

    /// Waits for earlier requests and handlers, and for room in the queue, rather than reporting
    /// overload.
    fn begin(&self) -> BoxFuture<'_, Result<Transaction, StoreError>> {
        Box::pin(async move {
            let lease = self.shared().writer()?.begin().await?;
            Ok(Transaction {
                lease,
                store: self.clone(),
            })
        })
    }

    /// Never: the transaction has the write lock from its beginning.
    fn should_retry(_: &Transaction) -> bool {
        false
    }
}

impl HasReader for Sqlite {
    type Reader = SqlReader;

    fn reader(&self) -> SqlReader {
        SqlReader::new(self.clone())
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
