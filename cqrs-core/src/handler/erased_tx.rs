use std::any::{Any, TypeId};

use super::Tx;
use crate::store::{
    Append, AppendError, Appended, BoxFuture, ErasedLogTx, ErasedTx, ErasedViewTx, HasReader,
    LogTransaction, Position, ReaderSource, Shard, StoreError, Transactional, Transactions,
    ViewBatch, ViewCommitError, ViewTransaction, ViewTransactions,
};

impl<S: HasReader> ReaderSource for S {
    fn store_type(&self) -> TypeId {
        TypeId::of::<S>()
    }

    fn erased_reader(&self) -> Box<dyn Any + Send + Sync> {
        Box::new(self.reader())
    }
}

impl<S: Transactional<Transaction: LogTransaction>> Transactions for S {
    fn begin_append(&self) -> BoxFuture<'_, Result<Box<dyn ErasedLogTx>, StoreError>> {
        Box::pin(async move {
            let transaction = self.begin().await?;
            Ok(Box::new(Tx::<S>::new(transaction)) as Box<dyn ErasedLogTx>)
        })
    }
}

impl<S: Transactional<Transaction: ViewTransaction>> ViewTransactions for S {
    fn begin_commit(&self) -> BoxFuture<'_, Result<Box<dyn ErasedViewTx>, StoreError>> {
        Box::pin(async move {
            let transaction = self.begin().await?;
            Ok(Box::new(Tx::<S>::new(transaction)) as Box<dyn ErasedViewTx>)
        })
    }
}

impl<S: Transactional> ErasedTx for Tx<S> {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn should_retry(&self) -> bool {
        S::should_retry(self)
    }
}

impl<S: Transactional<Transaction: LogTransaction>> ErasedLogTx for Tx<S> {
    fn append(
        self: Box<Self>,
        append: Append,
    ) -> BoxFuture<'static, Result<Appended, AppendError>> {
        self.into_inner().append(append)
    }
}

impl<S: Transactional<Transaction: ViewTransaction>> ErasedViewTx for Tx<S> {
    fn checkpoint(&mut self, shard: Shard) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        (**self).checkpoint(shard)
    }

    fn commit(
        self: Box<Self>,
        batch: ViewBatch,
    ) -> BoxFuture<'static, Result<(), ViewCommitError>> {
        self.into_inner().commit(batch)
    }
}
