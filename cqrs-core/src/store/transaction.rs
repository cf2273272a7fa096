use std::any::{Any, TypeId};

use super::{
    Append, AppendError, Appended, BoxFuture, EventLog, Position, Store, StoreError, ViewBatch,
    ViewCommitError, ViewStore,
};

/// A store with transactions that handlers may work in, as `&mut Tx<Self>`. Such a store also
/// implements [`EventLog::transactions`], as `Some(self)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no transactions that a handler could take",
    label = "not a store with SQL",
    note = "`Tx<..>` and `ReadTx<..>` are of a store that has some: `Tx<Postgres>` with cqrs-postgres, \
            `Tx<Sqlite>` with cqrs-sqlite"
)]
pub trait Transactional: EventLog + ViewStore + Sized {
    /// What a handler works with: [`Tx`](crate::Tx) derefs to it.
    type Transaction: Transaction;
    /// What a query handler reads with: [`ReadTx`](crate::ReadTx) derefs to it. The database itself
    /// refuses to write for it.
    type Reader: Send + Sync + 'static;

    /// Begins a transaction.
    fn begin(&self) -> BoxFuture<'_, Result<Self::Transaction, StoreError>>;

    /// A reader, which takes nothing of the database before it is used.
    fn reader(&self) -> Self::Reader;
}

/// A transaction under way. Dropped, it is rolled back.
pub trait Transaction: Send + 'static {
    /// The checkpoint of a subscription. Until the transaction ends, no other one of the same
    /// subscription gets past this.
    fn checkpoint(
        &mut self,
        subscription: String,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>>;

    /// As [`EventLog::append`], and commits what was written in the transaction with it. When it
    /// answers anything but an append of now, what was written is rolled back.
    fn append(self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>>;

    /// As [`ViewStore::commit`], and commits what was written in the transaction with it, or
    /// neither.
    fn commit(self, batch: ViewBatch) -> BoxFuture<'static, Result<(), ViewCommitError>>;

    /// Whether the database gave up the transaction in favor of another one: the same again will
    /// do.
    fn is_overtaken(&self) -> bool;
}

/// A [`Transactional`] store without its type.
pub trait Transactions: Send + Sync {
    /// The type of the store.
    fn store_type(&self) -> TypeId;

    /// See [`Transactional::begin`].
    fn begin_erased(&self) -> BoxFuture<'_, Result<Box<dyn ErasedTx>, StoreError>>;

    /// See [`Transactional::reader`].
    fn erased_reader(&self) -> Box<dyn Any + Send + Sync>;
}

impl dyn Store {
    /// Begins a transaction, of which `build` has checked that there are some.
    pub(crate) async fn begin_transaction(&self) -> Result<Box<dyn ErasedTx>, StoreError> {
        match self.capabilities().transactions {
            Some(transactions) => transactions.begin_erased().await,
            None => Err(StoreError::Unavailable {
                reason: "it has no transactions that a handler could take".into(),
            }),
        }
    }
}

/// A [`Tx`](crate::Tx) without its type.
pub trait ErasedTx: Any + Send {
    /// See [`Transaction::checkpoint`].
    fn checkpoint(
        &mut self,
        subscription: String,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>>;

    /// See [`Transaction::append`].
    fn append(self: Box<Self>, append: Append)
    -> BoxFuture<'static, Result<Appended, AppendError>>;

    /// See [`Transaction::commit`].
    fn commit(self: Box<Self>, batch: ViewBatch)
    -> BoxFuture<'static, Result<(), ViewCommitError>>;

    /// See [`Transaction::is_overtaken`].
    fn is_overtaken(&self) -> bool;
}
