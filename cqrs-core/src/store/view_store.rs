use std::ops::Bound;
use std::sync::Arc;

use super::{
    BoxFuture, Checkpoint, Epoch, HasReader, Incarnation, ParkedChange, Position, ReaderSource,
    Shard, ShardStore, SortKey, StoreError, Transactional, VersionStore, ViewTransaction,
    ViewTransactions,
};

/// A store of read models and of the checkpoints of subscriptions.
pub trait ViewStore: Send + Sync + 'static {
    /// Prepares the store for these read models. Called once per dispatcher before anything else.
    /// Existing data stays.
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The checkpoint of a shard as it was committed last, `None` if it has none yet. In a store
    /// without [shards](ViewCapabilities::shards), a subscription has a single one,
    /// [`Shard::whole`].
    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>>;

    /// Writes the changes and the new checkpoint, if the position of the current one is the batch's
    /// `from`. This fence makes projections exactly-once. With [`CommitMode::Atomic`], both happen
    /// or neither; see [`CommitMode::ByPosition`] for stores without transactions.
    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>>;

    /// Waits until queries see everything that was committed before this call. Override it if
    /// queries read from a copy that lags behind, such as a replica or a refreshed index. Defaults
    /// to no wait.
    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The views with these keys for queries, in the order of the keys. `None` for a key without a
    /// view.
    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// The views with these keys for a projection that is about to change them. Never from a copy
    /// that lags behind, and in a store of [`CommitMode::ByPosition`] each with the position that
    /// was written last. Defaults to [`load`](Self::load).
    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<StoredView>, StoreError>> {
        Box::pin(async move {
            let bodies = self.load(model, keys).await?;
            Ok(bodies.into_iter().map(StoredView::from).collect())
        })
    }

    /// The views within the ranges, in the order of the scan, with ties in the order of keys. Rows
    /// and total are of one snapshot.
    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>>;

    /// The current incarnation of the store's data. A store that can lose commits (in a crash, in a
    /// failover, to a restored backup) counts the losses, and refuses batches of earlier
    /// incarnations. It counts a loss before it returns anything from the data that remain: then no
    /// query takes views for newer than they are. Defaults to a single incarnation, for a store that
    /// loses nothing.
    fn view_incarnation(&self) -> Incarnation {
        Incarnation::default()
    }

    /// The optional parts of the contract that this store offers. Defaults to none.
    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        ViewCapabilities::default()
    }
}

/// The optional parts of the contract of a [`ViewStore`].
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct ViewCapabilities<'s> {
    /// How [`ViewStore::commit`] writes. Defaults to [`CommitMode::Atomic`].
    pub commits: CommitMode,
    /// Whether this process can only read the store, and each commit fails. Projections that write
    /// to the store do not run.
    pub read_only: bool,
    /// Whether nothing but this value has access to the data, so that no other dispatcher can bring read
    /// models up to date. `build` refuses such a store in a process whose
    /// [roles](crate::app::Builder::roles) are to query read models, and not to bring them up to date.
    pub private: bool,
    /// Transactions for projections.
    pub(crate) transactions: Option<&'s dyn ViewTransactions>,
    /// The store's own reader.
    pub(crate) reader: Option<&'s dyn ReaderSource>,
    /// The shards of subscriptions. Without it, processes do not divide their subscriptions: each
    /// handles all events, and of those that handle the same event, one can commit.
    pub shards: Option<&'s dyn ShardStore>,
    /// The versions of projections. Without it, queries are answered from the program's own version, also
    /// while that is built.
    pub versions: Option<&'s dyn VersionStore>,
}

/// How a store writes the changes of a batch and its checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitMode {
    /// In a transaction, all or nothing.
    #[default]
    Atomic,
    /// One by one, for a store without transactions. Each step is atomic, and they come in this
    /// order:
    ///
    /// 1. Each change is written with its [`ViewChange::position`], unless the store has that
    ///    position or a higher one for the key. A deleted view leaves its position behind, at least
    ///    as long as a writer may have been paused.
    /// 2. When all changes are written, the checkpoint is moved, if it is still the batch's `from`.
    ///
    /// A batch may stop after any step. The next worker then folds the same events again. A view
    /// that [`ViewStore::load_to_fold`] returns with a position ignores the events up to it, so no
    /// change is made twice.
    ///
    /// So each change is made exactly once, but the changes of a batch are not made at once: until
    /// the checkpoint moves, queries may see some of them. A fold has to change each view
    /// independently. It fails if it reads a view with `Views::get` and writes another one, or if it
    /// writes a view because `Views::update` found another one, or did not.
    ByPosition,
}

impl<'s> ViewCapabilities<'s> {
    /// Sets [`commits`](Self::commits).
    #[must_use]
    pub fn commits(self, commits: CommitMode) -> Self {
        Self { commits, ..self }
    }

    /// Sets [`read_only`](Self::read_only).
    #[must_use]
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// Sets [`private`](Self::private).
    #[must_use]
    pub fn private(self, private: bool) -> Self {
        Self { private, ..self }
    }

    /// Offers transactions of this store for projections, which take them as `&mut Tx<S>`.
    #[must_use]
    pub fn transactions<S>(self, store: &'s S) -> Self
    where
        S: Transactional<Transaction: ViewTransaction>,
    {
        Self {
            transactions: Some(store),
            ..self
        }
    }

    /// Takes transactions away: for a decorator, since their commits bypass it.
    #[must_use]
    pub fn without_transactions(self) -> Self {
        Self {
            transactions: None,
            ..self
        }
    }

    /// Sets [`shards`](Self::shards).
    #[must_use]
    pub fn shards(self, shards: &'s dyn ShardStore) -> Self {
        Self {
            shards: Some(shards),
            ..self
        }
    }

    /// Sets [`versions`](Self::versions).
    #[must_use]
    pub fn versions(self, versions: &'s dyn VersionStore) -> Self {
        Self {
            versions: Some(versions),
            ..self
        }
    }

    /// Offers the reader of this store for query handlers, which take it as `Reader<S>`.
    #[must_use]
    pub fn reader<S: HasReader>(self, store: &'s S) -> Self {
        Self {
            reader: Some(store),
            ..self
        }
    }
}

/// Forwards to the shared store.
#[deny(clippy::missing_trait_methods)]
impl<T: ViewStore + ?Sized> ViewStore for Arc<T> {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        (**self).prepare(models)
    }

    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>> {
        (**self).checkpoint(shard)
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        (**self).commit(batch)
    }

    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        (**self).wait_until_visible()
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        (**self).load(model, keys)
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<StoredView>, StoreError>> {
        (**self).load_to_fold(model, keys)
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        (**self).scan(scan)
    }

    fn view_incarnation(&self) -> Incarnation {
        (**self).view_incarnation()
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        (**self).view_capabilities()
    }
}

/// The schema of a read model in a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelSchema {
    /// Name of the table, unique in the store: `products_1_product_view` for version 1 of the
    /// projection `products`. Consists of lower-case ASCII letters, digits and underscores.
    pub table: String,
    /// The names of the `#[index]` fields.
    pub indexes: Vec<&'static str>,
}

/// Changes to read models, with the checkpoint that they lead to.
#[derive(Clone, Debug)]
pub struct ViewBatch {
    /// The shard that the checkpoint belongs to.
    pub shard: Shard,
    /// The required current epoch of the shard. [`Epoch::UNCLAIMED`] in a store without
    /// [shards](ViewCapabilities::shards).
    pub epoch: Epoch,
    /// Required current checkpoint.
    pub from: Option<Position>,
    /// New checkpoint. Its position may be lower than the current one, if the log lost events in
    /// between.
    pub to: Checkpoint,
    /// The [incarnation](ViewStore::view_incarnation) in which the checkpoint was read. If the
    /// store has another one by now, the commit fails with [`ViewCommitError::Moved`].
    pub incarnation: Incarnation,
    /// The changes, at most one per key and model.
    pub changes: Vec<ViewChange>,
    /// The changes of parked keys, at most one per key. If one of them is not parked as the change
    /// requires, the commit fails with [`ViewCommitError::Moved`]. Empty in a store without
    /// [shards](ViewCapabilities::shards).
    pub parked: Vec<ParkedChange>,
}

/// A view to write or to delete.
#[derive(Clone, Debug)]
pub struct ViewChange {
    /// The read model.
    pub model: Arc<ModelSchema>,
    /// The key: any text up to [`SortKey::MAX_BYTES`], also an empty one.
    pub key: String,
    /// The view as JSON, and a sort key per index. `None` deletes the view.
    pub view: Option<(Vec<u8>, Vec<SortKey>)>,
    /// The position of the last event that changed the view.
    pub position: Position,
    /// Whether the projection knows that the store has no view with this key, with which the view may be
    /// written faster. Should there be one after all, it is to be replaced.
    pub is_new: bool,
}

/// A view as a projection loads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredView {
    /// The view as JSON. `None` if there is no view.
    pub body: Option<Vec<u8>>,
    /// The [`ViewChange::position`] of the last written change, even if it deleted the view.
    /// [`Position::START`] in a store of [`CommitMode::Atomic`], which keeps no positions.
    pub position: Position,
}

impl From<Option<Vec<u8>>> for StoredView {
    /// Creates a view of a store without positions of views.
    fn from(body: Option<Vec<u8>>) -> Self {
        Self {
            body,
            position: Position::START,
        }
    }
}

/// Reasons that a batch was not written.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ViewCommitError {
    /// Another process moved the checkpoint, claimed the shard, or changed a parked key. Read the checkpoint
    /// and start again.
    /// Nothing was written, or, with [`CommitMode::ByPosition`], changes that the store did not have.
    #[error("the checkpoint has moved to {}", .found.unwrap_or_default())]
    Moved {
        /// The current checkpoint.
        found: Option<Position>,
    },
    /// The store failed. Nothing was written, or, with [`CommitMode::ByPosition`], a part of the
    /// changes without the checkpoint.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

crate::debug_as_report!(ViewCommitError);

/// The result of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewPage {
    /// The views in order, as keys and JSON.
    pub rows: Vec<(String, Vec<u8>)>,
    /// Number of views within the ranges and after the place, regardless of `skip` and `take`, if the scan
    /// asked for it.
    pub total: Option<u64>,
}

/// A selection of views.
#[derive(Clone, Debug)]
pub struct ViewScan {
    /// The read model.
    pub model: Arc<ModelSchema>,
    /// The ranges, all of which a view must be in.
    pub ranges: Vec<IndexRange>,
    /// The index to sort by. `None` to sort by key.
    pub order: Option<usize>,
    /// Whether to sort in descending order, ties included.
    pub descending: bool,
    /// The place in this order that a view must come after.
    pub after: Option<ViewPlace>,
    /// Number of views to skip.
    pub skip: u64,
    /// Maximum number of views to return.
    pub take: u64,
    /// Whether to also count all of these views, which may take as long as reading them.
    pub with_total: bool,
}

/// The place of a view in the order of a scan, whether or not there is a view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewPlace {
    /// The sort key in the index that the scan sorts by. `None` if it sorts by key.
    pub sort_key: Option<SortKey>,
    /// The key.
    pub key: String,
}

/// A range of an index.
#[derive(Clone, Debug)]
pub struct IndexRange {
    /// Position of the index in [`ModelSchema::indexes`].
    pub index: usize,
    /// Lower bound.
    pub from: Bound<SortKey>,
    /// Upper bound.
    pub to: Bound<SortKey>,
}
