//! A store that passes everything on to another one, but for what a test looks at or changes.

use std::ops::Deref;
use std::sync::Arc;

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventQuery, EventStore, Incarnation, Limits,
    ModelSchema, Page, ReadRange, StateKey, StoreError, StoredCommand, StoredState, Transactions,
    ViewBatch, ViewCapabilities, ViewCommitError, ViewPage, ViewScan, ViewStore,
};
use cqrs_core::{CommandId, Position, Timestamp, Uuid};
use tokio::sync::watch;

/// What becomes of calls to a store. Each call is passed on unless it is overridden; a method that
/// a test needs and that is not here yet belongs here.
pub trait Hooks<S: ?Sized>: Send + Sync + 'static {
    fn append<'a>(
        &'a self,
        store: &'a S,
        append: Append,
    ) -> BoxFuture<'a, Result<Appended, AppendError>>
    where
        S: EventStore,
    {
        store.append(append)
    }

    fn admit(&self, store: &S) -> Result<(), AppendError>
    where
        S: EventStore,
    {
        store.admit()
    }

    fn read<'a>(
        &'a self,
        store: &'a S,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<Page, StoreError>>
    where
        S: EventStore,
    {
        store.read(query, range)
    }

    fn read_to_fold<'a>(
        &'a self,
        store: &'a S,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<Page, StoreError>>
    where
        S: EventStore,
    {
        store.read_to_fold(query, range)
    }

    fn command<'a>(
        &'a self,
        store: &'a S,
        id: CommandId,
    ) -> BoxFuture<'a, Result<Option<StoredCommand>, StoreError>>
    where
        S: EventStore,
    {
        store.command(id)
    }

    fn states<'a>(
        &'a self,
        store: &'a S,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredState>>, StoreError>>
    where
        S: EventStore,
    {
        store.states(keys)
    }

    fn commit<'a>(
        &'a self,
        store: &'a S,
        batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>>
    where
        S: ViewStore,
    {
        store.commit(batch)
    }

    fn load_to_fold<'a>(
        &'a self,
        store: &'a S,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, StoreError>>
    where
        S: ViewStore,
    {
        store.load_to_fold(model, keys)
    }
}

/// A store with hooks, which this derefs to.
pub struct Decorated<S: ?Sized, H> {
    pub store: Arc<S>,
    pub hooks: H,
}

impl<S: ?Sized, H> Deref for Decorated<S, H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.hooks
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: EventStore + ?Sized, H: Hooks<S>> EventStore for Decorated<S, H> {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.hooks.append(&self.store, append)
    }

    fn admit(&self) -> Result<(), AppendError> {
        self.hooks.admit(&self.store)
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.hooks.read(&self.store, query, range)
    }

    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.hooks.read_to_fold(&self.store, query, range)
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.store.head()
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.store.position_at(time)
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.hooks.command(&self.store, id)
    }

    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        self.hooks.states(&self.store, keys)
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.store.watch()
    }

    fn recent(&self, query: &EventQuery, after: Position, limit: usize) -> Option<Page> {
        self.store.recent(query, after, limit)
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        self.store.transactions()
    }

    fn incarnation(&self) -> Incarnation {
        self.store.incarnation()
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    fn is_read_only(&self) -> bool {
        self.store.is_read_only()
    }

    fn store_id(&self) -> Uuid {
        self.store.store_id()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ViewStore + ?Sized, H: Hooks<S>> ViewStore for Decorated<S, H> {
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
        self.hooks.commit(&self.store, batch)
    }

    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.wait_until_visible()
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.store.load(model, keys)
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.hooks.load_to_fold(&self.store, model, keys)
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.store.scan(scan)
    }

    fn view_incarnation(&self) -> Incarnation {
        self.store.view_incarnation()
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        self.store.view_capabilities()
    }
}
