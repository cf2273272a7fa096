//! A log that counts its reads, and refuses appends when it is told to; a view store that counts its
//! commits and loads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventLog, EventPage, EventQuery, FoldReads,
    ModelSchema, ReadRange, StateKey, StateStore, StoreError, StoredState, StoredView, ViewBatch,
    ViewCommitError, ViewPage, ViewScan, ViewStore,
};

use super::decorated::{Decorated, FoldPage, Hooks};

pub type WatchedLog = Decorated<dyn EventLog, Counts>;

pub type WatchedViews = Decorated<dyn ViewStore, Counts>;

#[derive(Default)]
pub struct Counts {
    reads: AtomicUsize,
    events: AtomicUsize,
    calls: AtomicUsize,
    overloads: AtomicUsize,
    commits: AtomicUsize,
    loads: AtomicUsize,
    scans: AtomicUsize,
}

impl<S: ?Sized> Decorated<S, Counts> {
    pub fn watched(store: Arc<S>) -> Arc<Self> {
        let hooks = Counts::default();
        Arc::new(Self { store, hooks })
    }
}

impl Counts {
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

    /// How many batches of view changes were committed.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    /// How many views projections have loaded.
    pub fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// How many pages of views were searched for.
    pub fn scans(&self) -> usize {
        self.scans.load(Ordering::SeqCst)
    }

    /// Refuses the next appends.
    pub fn overload(&self, appends: usize) {
        self.overloads.store(appends, Ordering::SeqCst);
    }

    async fn counted<E>(
        &self,
        read: BoxFuture<'_, Result<EventPage<E>, StoreError>>,
    ) -> Result<EventPage<E>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.calls.fetch_add(1, Ordering::SeqCst);
        let page = read.await?;
        self.events.fetch_add(page.events.len(), Ordering::SeqCst);
        Ok(page)
    }
}

impl Hooks<dyn EventLog> for Counts {
    fn append<'a>(
        &'a self,
        store: &'a dyn EventLog,
        append: Append,
    ) -> BoxFuture<'a, Result<Appended, AppendError>> {
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
        store.append(append)
    }

    fn read<'a>(
        &'a self,
        store: &'a dyn EventLog,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>> {
        Box::pin(self.counted(store.read(query, range)))
    }

    fn read_to_fold<'a>(
        &'a self,
        reads: &'a dyn FoldReads,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<FoldPage, StoreError>> {
        Box::pin(self.counted(reads.read_to_fold(query, range)))
    }

    fn states<'a>(
        &'a self,
        states: &'a dyn StateStore,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredState>>, StoreError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        states.states(keys)
    }
}

impl Hooks<dyn ViewStore> for Counts {
    fn commit<'a>(
        &'a self,
        store: &'a dyn ViewStore,
        batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        store.commit(batch)
    }

    fn load_to_fold<'a>(
        &'a self,
        store: &'a dyn ViewStore,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<StoredView>, StoreError>> {
        self.loads.fetch_add(keys.len(), Ordering::SeqCst);
        store.load_to_fold(model, keys)
    }

    fn scan<'a>(
        &'a self,
        store: &'a dyn ViewStore,
        scan: ViewScan,
    ) -> BoxFuture<'a, Result<ViewPage, StoreError>> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        store.scan(scan)
    }
}
