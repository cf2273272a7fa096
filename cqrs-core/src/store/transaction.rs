use std::any::{Any, TypeId};

use super::{
    Append, AppendError, Appended, BoxFuture, EventLog, Position, Shard, StoreError, ViewBatch,
    ViewCommitError, ViewStore,
};

/// A store with a reader of its own, for SQL, full text or aggregations. Query handlers take it as
/// [`Reader<Self>`](crate::Reader).
///
/// A view store passes itself to [`ViewCapabilities::reader`](super::ViewCapabilities::reader).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no reader that a query handler could take",
    label = "not a store with a reader of its own",
    note = "`Reader<..>` is of the store that was given to the builder with `.views(..)`, \
            `.views_of::<V>(..)` or `.store(..)`, if that has a reader; `Read<V>` reads the views of \
            `V` in every store"
)]
pub trait HasReader: Send + Sync + Sized + 'static {
    /// The type that [`Reader`](crate::Reader) and [`ReadTx`](crate::ReadTx) deref to. It has no
    /// methods that write, or the database refuses its writes.
    type Reader: Send + Sync + 'static;

    /// Returns a reader. It uses the database only when it is used itself.
    fn reader(&self) -> Self::Reader;
}

/// A store with transactions for handlers, which take them as [`Tx<Self>`](crate::Tx).
///
/// A log has [`LogTransaction`]s, and passes itself to
/// [`Capabilities::transactions`](super::Capabilities::transactions). A view store has
/// [`ViewTransaction`]s, and passes itself to
/// [`ViewCapabilities::transactions`](super::ViewCapabilities::transactions).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no transactions that a handler could take",
    label = "not a store with SQL",
    note = "`Tx<..>` and `ReadTx<..>` are of a store that has some: `Tx<Postgres>` with cqrs-postgres, \
            `Tx<Sqlite>` with cqrs-sqlite"
)]
pub trait Transactional: HasReader {
    /// An open transaction, which [`Tx`](crate::Tx) derefs to. Dropped, it is rolled back.
    type Transaction: Send + 'static;

    /// Begins a transaction.
    fn begin(&self) -> BoxFuture<'_, Result<Self::Transaction, StoreError>>;

    /// Whether the database aborted this transaction in favor of another one (deadlock,
    /// serialization failure). Retrying is safe.
    fn should_retry(transaction: &Self::Transaction) -> bool;
}

/// A transaction of a log, for command handlers.
#[diagnostic::on_unimplemented(
    message = "a command handler cannot take a transaction of this store",
    label = "`{Self}` appends no events",
    note = "a `#[projection]` can take it; a command handler takes one of the store that keeps the log"
)]
pub trait LogTransaction: Send + 'static {
    /// Appends as [`EventLog::append`], and commits the writes of the transaction with the events.
    /// If the append fails or is [replayed](Appended::replayed), they are rolled back.
    fn append(self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>>;
}

/// A transaction of a view store, for projections.
#[diagnostic::on_unimplemented(
    message = "a projection cannot take a transaction of this store",
    label = "`{Self}` commits no checkpoint",
    note = "a command handler can take it; a `#[projection]` takes one of the store that keeps its \
            views"
)]
pub trait ViewTransaction: Send + 'static {
    /// Reads and locks the checkpoint of a shard. Until this transaction ends, other transactions of
    /// the shard wait here.
    fn checkpoint(&mut self, shard: Shard) -> BoxFuture<'_, Result<Option<Position>, StoreError>>;

    /// Commits as [`ViewStore::commit`], together with the writes of the transaction, or neither.
    fn commit(self, batch: ViewBatch) -> BoxFuture<'static, Result<(), ViewCommitError>>;
}

/// A store with a reader, without its type. Implemented for every [`HasReader`].
pub trait ReaderSource: Send + Sync {
    /// The type of the store.
    fn store_type(&self) -> TypeId;

    /// See [`HasReader::reader`].
    fn erased_reader(&self) -> Box<dyn Any + Send + Sync>;
}

/// A [`Transactional`] log without its type.
pub trait Transactions: ReaderSource {
    /// See [`Transactional::begin`].
    fn begin_append(&self) -> BoxFuture<'_, Result<Box<dyn ErasedLogTx>, StoreError>>;
}

/// A [`Transactional`] view store without its type.
pub trait ViewTransactions: ReaderSource {
    /// See [`Transactional::begin`].
    fn begin_commit(&self) -> BoxFuture<'_, Result<Box<dyn ErasedViewTx>, StoreError>>;
}

impl dyn EventLog {
    /// Begins a transaction. `build` has checked that the log has transactions.
    pub(crate) async fn begin_append(&self) -> Result<Box<dyn ErasedLogTx>, StoreError> {
        match self.capabilities().transactions {
            Some(transactions) => transactions.begin_append().await,
            None => Err(no_transactions()),
        }
    }
}

impl dyn ViewStore {
    /// Begins a transaction. `build` has checked that the store has transactions.
    pub(crate) async fn begin_commit(&self) -> Result<Box<dyn ErasedViewTx>, StoreError> {
        match self.view_capabilities().transactions {
            Some(transactions) => transactions.begin_commit().await,
            None => Err(no_transactions()),
        }
    }
}

fn no_transactions() -> StoreError {
    StoreError::Unavailable {
        reason: "it has no transactions for handlers".into(),
    }
}

/// A [`Tx`](crate::Tx) without its type.
pub trait ErasedTx: Any + Send {
    /// The transaction, for the typed reference that a handler takes.
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// See [`Transactional::should_retry`].
    fn should_retry(&self) -> bool;
}

/// A [`Tx`](crate::Tx) of a log without its type.
pub trait ErasedLogTx: ErasedTx {
    /// See [`LogTransaction::append`].
    fn append(self: Box<Self>, append: Append)
    -> BoxFuture<'static, Result<Appended, AppendError>>;
}

/// A [`Tx`](crate::Tx) of a view store without its type.
pub trait ErasedViewTx: ErasedTx {
    /// See [`ViewTransaction::checkpoint`].
    fn checkpoint(&mut self, shard: Shard) -> BoxFuture<'_, Result<Option<Position>, StoreError>>;

    /// See [`ViewTransaction::commit`].
    fn commit(self: Box<Self>, batch: ViewBatch)
    -> BoxFuture<'static, Result<(), ViewCommitError>>;
}
