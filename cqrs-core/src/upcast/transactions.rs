use std::any::{Any, TypeId};
use std::sync::Arc;

use super::conversions::Conversions;
use super::log::{UpcastLog, not_offered};
use crate::store::{
    Append, AppendError, Appended, BoxFuture, ErasedLogTx, ErasedTx, ReaderSource, StoreError,
    Transactions,
};

/// A transaction of the log.
struct UpcastTx {
    tx: Box<dyn ErasedLogTx>,
    conversions: Arc<Conversions>,
}

impl ErasedTx for UpcastTx {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.tx.as_any_mut()
    }

    fn should_retry(&self) -> bool {
        self.tx.should_retry()
    }
}

impl ErasedLogTx for UpcastTx {
    fn append(
        self: Box<Self>,
        mut append: Append,
    ) -> BoxFuture<'static, Result<Appended, AppendError>> {
        self.conversions.store(&mut append);
        self.tx.append(append)
    }
}

impl ReaderSource for UpcastLog {
    fn store_type(&self) -> TypeId {
        let transactions = self.log.capabilities().transactions;
        transactions.map_or(TypeId::of::<Self>(), ReaderSource::store_type)
    }

    fn erased_reader(&self) -> Box<dyn Any + Send + Sync> {
        match self.log.capabilities().transactions {
            Some(transactions) => transactions.erased_reader(),
            // Unreachable: the log offers the same in every call.
            None => Box::new(()),
        }
    }
}

impl Transactions for UpcastLog {
    fn begin_append(&self) -> BoxFuture<'_, Result<Box<dyn ErasedLogTx>, StoreError>> {
        Box::pin(async {
            let offered = self.log.capabilities();
            let transactions = offered.transactions.ok_or_else(not_offered)?;
            let tx = transactions.begin_append().await?;
            let conversions = self.conversions.clone();
            Ok(Box::new(UpcastTx { tx, conversions }) as Box<dyn ErasedLogTx>)
        })
    }
}
