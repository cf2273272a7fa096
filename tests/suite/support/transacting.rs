//! A PostgreSQL store that appends in transactions of handlers, or that does so every other time.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_conformance::StoreFixture;
use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventLog, LogTransaction as _, StoreError,
    Transactional as _,
};
use cqrs_postgres::{Postgres, SqlError};

use super::decorated::{Decorated, Hooks};
use crate::support::postgres::Schema;

/// Which appends are made in a transaction.
#[derive(Clone, Copy)]
pub enum Share {
    All,
    Half,
}

/// A schema whose stores append in transactions.
pub struct Transactions {
    pub schema: Schema,
    pub share: Share,
}

pub struct InTransactions {
    share: Share,
    appends: AtomicUsize,
}

/// Appends in a transaction of its own, which a statement has begun.
pub async fn append_in(store: &Postgres, append: Append) -> Result<Appended, AppendError> {
    let transaction = store.begin().await?;
    if let Err(error) = transaction.execute("SELECT", &[]).await {
        return Err(unavailable(&error).into());
    }
    transaction.append(append).await
}

fn unavailable(error: &SqlError) -> StoreError {
    StoreError::Unavailable {
        reason: error.to_string().into(),
    }
}

impl StoreFixture for Transactions {
    type Store = Decorated<Postgres, InTransactions>;

    async fn open(&self) -> Self::Store {
        Decorated {
            store: Arc::new(self.schema.open().await),
            hooks: InTransactions {
                share: self.share,
                appends: AtomicUsize::new(0),
            },
        }
    }

    async fn foreign_transaction(&self) -> Option<Box<dyn Any + Send>> {
        self.schema.foreign_transaction().await
    }
}

impl Hooks<Postgres> for InTransactions {
    fn append<'a>(
        &'a self,
        store: &'a Postgres,
        append: Append,
    ) -> BoxFuture<'a, Result<Appended, AppendError>> {
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        match self.share {
            // No decision follows one in a transaction; the dispatcher does not ask for it.
            _ if append.token.is_some() => store.append(append),
            Share::Half if number.is_multiple_of(2) => store.append(append),
            Share::All | Share::Half => Box::pin(append_in(store, append)),
        }
    }
}
