//! A store that forwards to another one, except for the calls that a test observes or changes.

use std::ops::Deref;
use std::sync::Arc;

use cqrs_core::store::{
    Admission, Append, AppendError, Appended, Attendance, BoxFuture, Capabilities, Checkpoint,
    Claim, Division, Epoch, EventData, EventLog, EventPage, EventQuery, FoldReads, Halt, Heads,
    Incarnation, KeyRelease, ModelSchema, ParkedKey, ReadRange, Relocation, Roster, Shard,
    ShardState, ShardStore, SkippedEvent, StateKey, StateStore, StoreError, StoredCommand,
    StoredState, StoredView, ViewBatch, ViewCapabilities, ViewCommitError, ViewPage, ViewScan,
    ViewStore, WorkerId,
};
use cqrs_core::{CommandId, Position};

/// A page of a read for folds.
pub type FoldPage = EventPage<(Position, EventData)>;

/// Handles calls to a store. Each call is forwarded unless it is overridden. Add a method here if a test
/// needs another one.
pub trait Hooks<S: ?Sized>: Send + Sync + 'static {
    fn append<'a>(
        &'a self,
        store: &'a S,
        append: Append,
    ) -> BoxFuture<'a, Result<Appended, AppendError>>
    where
        S: EventLog,
    {
        store.append(append)
    }

    fn admit(&self, admission: &dyn Admission) -> Result<(), AppendError> {
        admission.admit()
    }

    /// The capabilities of the log, perhaps fewer.
    fn capabilities<'a>(&'a self, capabilities: Capabilities<'a>) -> Capabilities<'a> {
        capabilities
    }

    fn read<'a>(
        &'a self,
        store: &'a S,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>>
    where
        S: EventLog,
    {
        store.read(query, range)
    }

    fn read_to_fold<'a>(
        &'a self,
        reads: &'a dyn FoldReads,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<FoldPage, StoreError>> {
        reads.read_to_fold(query, range)
    }

    fn command<'a>(
        &'a self,
        store: &'a S,
        id: CommandId,
    ) -> BoxFuture<'a, Result<Option<StoredCommand>, StoreError>>
    where
        S: EventLog,
    {
        store.command(id)
    }

    fn states<'a>(
        &'a self,
        states: &'a dyn StateStore,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredState>>, StoreError>> {
        states.states(keys)
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

    fn checkpoint<'a>(
        &'a self,
        store: &'a S,
        shard: &Shard,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, StoreError>>
    where
        S: ViewStore,
    {
        store.checkpoint(shard)
    }

    fn load<'a>(
        &'a self,
        store: &'a S,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, StoreError>>
    where
        S: ViewStore,
    {
        store.load(model, keys)
    }

    fn view_incarnation(&self, store: &S) -> Incarnation
    where
        S: ViewStore,
    {
        store.view_incarnation()
    }

    fn load_to_fold<'a>(
        &'a self,
        store: &'a S,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<StoredView>, StoreError>>
    where
        S: ViewStore,
    {
        store.load_to_fold(model, keys)
    }

    fn scan<'a>(
        &'a self,
        store: &'a S,
        scan: ViewScan,
    ) -> BoxFuture<'a, Result<ViewPage, StoreError>>
    where
        S: ViewStore,
    {
        store.scan(scan)
    }

    fn attend<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        attendance: Attendance,
    ) -> BoxFuture<'a, Result<Roster, StoreError>> {
        shards.attend(attendance)
    }

    fn claim<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        worker: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'a, Result<Vec<Option<Epoch>>, StoreError>> {
        shards.claim(worker, claims)
    }

    fn shards<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        subscription: String,
    ) -> BoxFuture<'a, Result<Vec<ShardState>, StoreError>> {
        shards.shards(subscription)
    }

    fn parked<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        shard: Shard,
    ) -> BoxFuture<'a, Result<Vec<ParkedKey>, StoreError>> {
        shards.parked(shard)
    }

    /// The capabilities of the view store, perhaps fewer.
    fn view_capabilities<'a>(&'a self, capabilities: ViewCapabilities<'a>) -> ViewCapabilities<'a> {
        capabilities
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
impl<S: EventLog + ?Sized, H: Hooks<S>> EventLog for Decorated<S, H> {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.hooks.append(&self.store, append)
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        self.hooks.read(&self.store, query, range)
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.hooks.command(&self.store, id)
    }

    fn heads(&self) -> &Heads {
        self.store.heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let mut capabilities = self.store.capabilities();
        capabilities.states = capabilities.states.map(|_| self as _);
        capabilities.fold_reads = capabilities.fold_reads.map(|_| self as _);
        capabilities.admission = capabilities.admission.map(|_| self as _);
        self.hooks.capabilities(capabilities)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: EventLog + ?Sized, H: Hooks<S>> StateStore for Decorated<S, H> {
    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        let states = self.store.capabilities().states;
        self.hooks.states(states.expect("it keeps states"), keys)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: EventLog + ?Sized, H: Hooks<S>> FoldReads for Decorated<S, H> {
    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<FoldPage, StoreError>> {
        let reads = self.store.capabilities().fold_reads;
        let reads = reads.expect("it has reads for folds");
        self.hooks.read_to_fold(reads, query, range)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: EventLog + ?Sized, H: Hooks<S>> Admission for Decorated<S, H> {
    fn admit(&self) -> Result<(), AppendError> {
        let admission = self.store.capabilities().admission;
        self.hooks.admit(admission.expect("it has admission"))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ViewStore + ?Sized, H: Hooks<S>> ViewStore for Decorated<S, H> {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.prepare(models)
    }

    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>> {
        self.hooks.checkpoint(&self.store, shard)
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
        self.hooks.load(&self.store, model, keys)
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<StoredView>, StoreError>> {
        self.hooks.load_to_fold(&self.store, model, keys)
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.hooks.scan(&self.store, scan)
    }

    fn view_incarnation(&self) -> Incarnation {
        self.hooks.view_incarnation(&self.store)
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        let mut capabilities = self.store.view_capabilities();
        capabilities.shards = capabilities.shards.map(|_| self as _);
        self.hooks.view_capabilities(capabilities)
    }
}

impl<S: ViewStore + ?Sized, H: Hooks<S>> Decorated<S, H> {
    fn stored_shards(&self) -> &dyn ShardStore {
        let shards = self.store.view_capabilities().shards;
        shards.expect("it has shards")
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ViewStore + ?Sized, H: Hooks<S>> ShardStore for Decorated<S, H> {
    fn attend(&self, attendance: Attendance) -> BoxFuture<'_, Result<Roster, StoreError>> {
        self.hooks.attend(self.stored_shards(), attendance)
    }

    fn claim(
        &self,
        worker: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Epoch>>, StoreError>> {
        self.hooks.claim(self.stored_shards(), worker, claims)
    }

    fn seize(&self, worker: WorkerId, of: String) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.stored_shards().seize(worker, of)
    }

    fn release(&self, worker: WorkerId, all: Vec<Shard>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.stored_shards().release(worker, all)
    }

    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.stored_shards().leave(worker)
    }

    fn shards(&self, subscription: String) -> BoxFuture<'_, Result<Vec<ShardState>, StoreError>> {
        self.hooks.shards(self.stored_shards(), subscription)
    }

    fn halt(
        &self,
        shard: Shard,
        halt: Halt,
        epoch: Option<Epoch>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.stored_shards().halt(shard, halt, epoch)
    }

    fn resume(&self, shard: Shard, from_pause: bool) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.stored_shards().resume(shard, from_pause)
    }

    fn relocate(&self, relocation: Relocation) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.stored_shards().relocate(relocation)
    }

    fn divide(&self, division: Division) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.stored_shards().divide(division)
    }

    fn skipped(&self, of: String) -> BoxFuture<'_, Result<Vec<SkippedEvent>, StoreError>> {
        self.stored_shards().skipped(of)
    }

    fn parked(&self, of: Shard) -> BoxFuture<'_, Result<Vec<ParkedKey>, StoreError>> {
        self.hooks.parked(self.stored_shards(), of)
    }

    fn release_keys(&self, of: KeyRelease) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.stored_shards().release_keys(of)
    }
}
