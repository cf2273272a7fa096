//! A PostgreSQL store that appends in transactions of handlers, or that does so every other time.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventQuery, EventStore, ModelSchema, Page, ReadRange,
    StateKey, StoreError, StoredCommand, StoredState, Transaction as _, Transactional as _,
    ViewBatch, ViewCommitError, ViewPage, ViewScan, ViewStore,
};
use cqrs_core::testing::conformance::Fixture;
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_postgres::Postgres;
use tokio::sync::watch;
use uuid::Uuid;

use crate::postgres::Schema;

/// Which appends are made in a transaction.
#[derive(Clone, Copy)]
pub enum Share {
    All,
    Half,
}

/// A schema whose stores are [`Transacting`].
pub struct Transactions {
    pub schema: Schema,
    pub share: Share,
}

#[derive(Clone)]
pub struct Transacting {
    store: Postgres,
    share: Share,
    appends: Arc<AtomicUsize>,
}

/// Appends in a transaction of its own.
pub async fn append_in(store: &Postgres, append: Append) -> Result<Appended, AppendError> {
    let begun = store.begin().await;
    let transaction = begun.map_err(|error| AppendError::Unavailable {
        reason: error.to_string().into(),
    })?;
    transaction.append(append).await
}

impl Fixture for Transactions {
    type Store = Transacting;

    async fn open(&self) -> Transacting {
        Transacting {
            store: self.schema.open().await,
            share: self.share,
            appends: Arc::default(),
        }
    }

    async fn foreign_transaction(&self) -> Option<Box<dyn Any + Send>> {
        self.schema.foreign_transaction().await
    }
}

impl EventStore for Transacting {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        match self.share {
            // Nobody follows a decision in a transaction; the dispatcher does not ask for it.
            _ if append.ticket.is_some() => self.store.append(append),
            Share::Half if number.is_multiple_of(2) => self.store.append(append),
            Share::All | Share::Half => Box::pin(append_in(&self.store, append)),
        }
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.store.read(query, range)
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.store.head()
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.store.position_at(time)
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.store.command(id)
    }

    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        self.store.states(keys)
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.store.watch()
    }

    fn store_id(&self) -> Uuid {
        self.store.store_id()
    }
}

impl ViewStore for Transacting {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.prepare(models)
    }

    fn checkpoint(
        &self,
        subscription: &str,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        self.store.checkpoint(subscription)
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        self.store.commit(batch)
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.store.load(model, keys)
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.store.scan(scan)
    }
}
