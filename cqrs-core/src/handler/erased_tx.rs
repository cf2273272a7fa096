//! A store's transactions without its type, of [`Tx`].

use std::any::{Any, TypeId};

use super::Tx;
use crate::store::{
    Append, AppendError, Appended, BoxFuture, ErasedTx, Position, StoreError, Transaction,
    Transactional, Transactions, ViewBatch, ViewCommitError,
};

impl<S: Transactional> Transactions for S {
    fn store_type(&self) -> TypeId {
        TypeId::of::<S>()
    }

    fn begin_erased(&self) -> BoxFuture<'_, Result<Box<dyn ErasedTx>, StoreError>> {
        Box::pin(async move {
            let transaction = self.begin().await?;
            Ok(Box::new(Tx::<S>::new(transaction)) as Box<dyn ErasedTx>)
        })
    }

    fn erased_reader(&self) -> Box<dyn Any + Send + Sync> {
        Box::new(self.reader())
    }
}

impl<S: Transactional> ErasedTx for Tx<S> {
    fn checkpoint(
        &mut self,
        subscription: String,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        (**self).checkpoint(subscription)
    }

    fn append(
        self: Box<Self>,
        append: Append,
    ) -> BoxFuture<'static, Result<Appended, AppendError>> {
        self.into_inner().append(append)
    }

    fn commit(
        self: Box<Self>,
        batch: ViewBatch,
    ) -> BoxFuture<'static, Result<(), ViewCommitError>> {
        self.into_inner().commit(batch)
    }

    fn is_overtaken(&self) -> bool {
        (**self).is_overtaken()
    }
}
