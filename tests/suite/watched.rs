//! A store that counts its reads, and refuses appends when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventQuery, EventStore, Incarnation, Limits,
    ModelSchema, Page, ReadRange, StateKey, Store, StoreError, StoredCommand, StoredState,
    ViewBatch, ViewCommitError, ViewPage, ViewScan, ViewStore,
};
use cqrs_core::{CommandId, Position, Timestamp, Uuid};
use tokio::sync::watch;

pub struct Watched {
    store: Arc<dyn Store>,
    reads: AtomicUsize,
    events: AtomicUsize,
    calls: AtomicUsize,
    overloads: AtomicUsize,
}

impl Watched {
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            reads: AtomicUsize::new(0),
            events: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            overloads: AtomicUsize::new(0),
        })
    }

    /// How many pages of the log were read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// How many events were read.
    pub fn events(&self) -> usize {
        self.events.load(Ordering::SeqCst)
    }

    /// How many calls the store has had, but those that look for news.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Refuses the next appends.
    pub fn overload(&self, appends: usize) {
        self.overloads.store(appends, Ordering::SeqCst);
    }

    async fn counted(
        &self,
        read: BoxFuture<'_, Result<Page, StoreError>>,
    ) -> Result<Page, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.calls.fetch_add(1, Ordering::SeqCst);
        let page = read.await?;
        self.events.fetch_add(page.events.len(), Ordering::SeqCst);
        Ok(page)
    }
}

impl EventStore for Watched {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let left = self
            .overloads
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_ok() {
            let overloaded = AppendError::Overloaded { waiting: 1 };
            return Box::pin(std::future::ready(Err(overloaded)));
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.store.append(append)
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(self.counted(self.store.read(query, range)))
    }

    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(self.counted(self.store.read_to_fold(query, range)))
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
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.store.states(keys)
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.store.watch()
    }

    fn recent(&self, query: &EventQuery, after: Position, limit: usize) -> Option<Page> {
        self.store.recent(query, after, limit)
    }

    fn incarnation(&self) -> Incarnation {
        self.store.incarnation()
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    fn store_id(&self) -> Uuid {
        self.store.store_id()
    }
}

impl ViewStore for Watched {
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

    fn replicated(&self) -> Option<BoxFuture<'_, Result<(), StoreError>>> {
        self.store.replicated()
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
        self.store.load_to_fold(model, keys)
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.store.scan(scan)
    }
}
