use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing::{Instrument, Span};

use super::FailedEvent;
use super::likely_keys::likely_keys;
use super::view_owners::ViewOwners;
use crate::error::{Error, Result};
use crate::handler::{Fold, FoldScope, ModelType, Reply, TxSlot};
use crate::running::{Running, still_running};
use crate::store::{CommitMode, ErasedViewTx, ModelSchema, Recorded, ViewChange, ViewStore};
use crate::views::{ErasedBuffer, FoldTrace, Loader, ViewRequest, only_own_view};
use crate::wiring::{Models, PlannedProjection};

/// Maximum number of views kept in memory between pages, per read model.
const MAX_BUFFERED_VIEWS: usize = 10_000;

/// Maximum size of the views in memory, of all read models of a projection, in bytes of JSON.
/// Beyond it, a page of events ends early and the views are written.
const MAX_BUFFERED_BYTES: usize = 32 << 20;

/// Maximum number of runs of a fold that stops for missing views, before it gets a thread on which
/// it waits for them. A thread costs more than a few runs of a short fold, and far less than one
/// run per view of a fold that changes thousands.
const MAX_RERUNS: usize = 8;

/// Maximum size of the views that are loaded before a fold has asked for them, in bytes, and their
/// number, also as long as no view was seen that tells a size.
const MAX_LIKELY_BYTES: usize = 4 << 20;
const MAX_LIKELY_VIEWS: usize = 4096;
const FIRST_LIKELY_VIEWS: usize = 64;

/// The views in memory, by the type of their read model.
type Buffers = HashMap<TypeId, Arc<dyn ErasedBuffer>>;

/// When views are encoded, to find out whether they can be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Once, after the page is folded.
    Page,
    /// After each event, which is slower and tells which event is to blame.
    EachEvent,
}

/// A page of events, folded.
pub(super) struct FoldedPage {
    /// The changes of views by the folded events.
    pub(super) changes: Vec<ViewChange>,
    pub(super) folded: FoldedEvents,
}

/// The folded part of a page.
pub(super) struct FoldedEvents {
    /// Number of events from the start of the page. Less than the page has if an event failed, or
    /// if the views are too large to be in memory together.
    pub(super) count: usize,
    pub(super) failed: Option<FailedEvent>,
}

/// The folds of a projection, and the views in memory that they change.
pub(super) struct ViewFolds {
    /// That of the projection.
    pub(super) name: &'static str,
    folds: Arc<HashMap<&'static str, Fold>>,
    models: Arc<[(ModelType, Arc<ModelSchema>)]>,
    buffers: Arc<Buffers>,
    views: Arc<dyn ViewStore>,
    commits: CommitMode,
    /// Of a partitioned projection.
    owners: Option<ViewOwners>,
}

impl ViewFolds {
    pub(super) fn new(
        plan: &PlannedProjection,
        models: &Models,
        views: Arc<dyn ViewStore>,
    ) -> Self {
        let folds = plan.folds.iter().map(|fold| (fold.event, fold.clone()));
        let models: Arc<[_]> = plan
            .models()
            .into_iter()
            .filter_map(|model| Some((model, models.get(&model.id)?.schema.clone())))
            .collect();
        let commits = views.view_capabilities().commits;
        Self {
            name: plan.entry.name,
            folds: Arc::new(folds.collect()),
            buffers: buffers(&models, commits),
            models,
            views,
            commits,
            owners: plan.entry.partition.map(ViewOwners::new),
        }
    }

    /// The same folds, with no views in memory: for another shard.
    pub(super) fn of_another_shard(&self) -> Self {
        Self {
            name: self.name,
            folds: self.folds.clone(),
            models: self.models.clone(),
            buffers: buffers(&self.models, self.commits),
            views: self.views.clone(),
            commits: self.commits,
            owners: self
                .owners
                .as_ref()
                .map(|owners| ViewOwners::new(owners.partition())),
        }
    }

    /// Folds a page of events until one fails or memory is full. `None` if a changed view cannot be written,
    /// and the page is to be folded by [`fold_each`](Self::fold_each).
    pub(super) async fn fold_page(&self, events: &[Arc<Recorded>]) -> Option<FoldedPage> {
        let folded = self.fold_all(events, None, Check::Page).await;
        // A view that many events of the page change is encoded once.
        let changes = self.changes().ok();
        changes.map(|changes| FoldedPage { changes, folded })
    }

    /// Folds a page again from the views in the store, with all encodings after each event, to find the one
    /// whose view cannot be written.
    pub(super) async fn fold_each(&self, events: &[Arc<Recorded>]) -> Result<FoldedPage> {
        self.reset();
        let folded = self.fold_all(events, None, Check::EachEvent).await;
        let changes = self.changes()?;
        Ok(FoldedPage { changes, folded })
    }

    /// Folds events until one fails or memory is full, and leaves their changes in memory.
    pub(super) async fn fold_all(
        &self,
        events: &[Arc<Recorded>],
        tx: Option<&TxSlot<dyn ErasedViewTx>>,
        check: Check,
    ) -> FoldedEvents {
        for (place, event) in events.iter().enumerate() {
            let ahead = &events[place + 1..];
            let (handler, result) = self.fold((event, ahead), tx, check).await;
            match result {
                Ok(bytes) if bytes <= MAX_BUFFERED_BYTES => {}
                Ok(_) => {
                    return FoldedEvents {
                        count: place + 1,
                        failed: None,
                    };
                }
                Err(error) => {
                    return FoldedEvents {
                        count: place,
                        failed: Some(FailedEvent::new(place, event, handler, &error)),
                    };
                }
            }
        }
        FoldedEvents {
            count: events.len(),
            failed: None,
        }
    }

    /// Folds one event completely, or without a trace, with those that come next. Returns the name of the fold, and the size
    /// of the views in memory.
    async fn fold(
        &self,
        (event, ahead): (&Arc<Recorded>, &[Arc<Recorded>]),
        tx: Option<&TxSlot<dyn ErasedViewTx>>,
        check: Check,
    ) -> (&'static str, Result<usize>) {
        let Some(fold) = self.folds.get(event.data.event_type.as_str()) else {
            return (self.name, Ok(0));
        };
        for buffer in self.buffers.values() {
            buffer.begin_fold(event.position);
        }
        let folded = self.run_loaded(fold, (event, ahead), tx).await;
        // The outer error is that of a load. In a store that writes views one by one, even an error
        // of the fold may have to be ignored: see `only_own_view`.
        let mut result = match folded {
            Ok(folded) if self.commits == CommitMode::ByPosition => {
                match only_own_view(self.erased_buffers(), folded) {
                    Ok(()) => self.check_answers(fold, event, tx).await,
                    Err(error) => Err(error),
                }
            }
            folded => folded.flatten(),
        };
        if let (Ok(()), Some(owners)) = (&result, &self.owners) {
            let buffers = self.buffers.iter();
            result = owners.check(event, buffers.map(|(model, buffer)| (model, &**buffer)));
        }
        if result.is_ok() && check == Check::EachEvent {
            result = self.buffers.values().try_for_each(|buffer| buffer.check());
        }
        // The views then are as before the event, and the events before it can be committed.
        if result.is_err() {
            self.discard_fold();
        }
        let bytes = result.map(|()| self.commit_fold());
        (fold.name, bytes)
    }

    /// Runs the fold with every view that it asks for.
    ///
    /// # Errors
    /// When a view cannot be loaded. The inner error is that of the fold.
    async fn run_loaded(
        &self,
        fold: &Fold,
        (event, ahead): (&Arc<Recorded>, &[Arc<Recorded>]),
        tx: Option<&TxSlot<dyn ErasedViewTx>>,
    ) -> Result<Result<()>> {
        // A run gets an error in place of each view that is not in memory. The missing views are
        // loaded together, the run's changes are discarded, and the fold runs again: only a run
        // that finds every view counts. Loaded views stay in memory, so each run gets further.
        let mut reruns = 0;
        loop {
            if reruns == MAX_RERUNS {
                break self.run_on_thread(fold, event, tx).await;
            }
            let folded = run(fold, event, &self.buffers, tx).await;
            reruns += 1;
            match self.load_missing(event, ahead).await {
                Ok(true) => self.discard_fold(),
                Ok(false) => break Ok(folded),
                Err(error) => break Err(error),
            }
        }
    }

    /// Checks that nothing depends on whether there are the views that a fold changes: see
    /// [`FoldTrace`]. Its changes stay as they are.
    async fn check_answers(
        &self,
        fold: &Fold,
        event: &Arc<Recorded>,
        tx: Option<&TxSlot<dyn ErasedViewTx>>,
    ) -> Result<()> {
        let trace = FoldTrace::of(self.erased_buffers());
        if !trace.may_depend() {
            return Ok(());
        }
        self.buffers.values().for_each(|buffer| buffer.set_aside());
        let opposite = self.run_loaded(fold, (event, &[]), tx).await;
        let other = FoldTrace::of(self.erased_buffers());
        self.buffers.values().for_each(|buffer| buffer.bring_back());
        trace.check_opposite(&opposite?, &other)
    }

    fn erased_buffers(&self) -> impl Iterator<Item = &dyn ErasedBuffer> + Clone {
        self.buffers.values().map(|buffer| &**buffer)
    }

    /// Runs the fold on a thread of its own, where it may block until this has loaded a view.
    ///
    /// If this future is dropped, the fold gets errors instead of views, and ends.
    ///
    /// # Errors
    /// When a view cannot be loaded. The inner error is that of the fold.
    async fn run_on_thread(
        &self,
        fold: &Fold,
        event: &Arc<Recorded>,
        tx: Option<&TxSlot<dyn ErasedViewTx>>,
    ) -> Result<Result<()>> {
        let (loader, mut requests) = Loader::new();
        let loads = BlockingLoads::begin(self.buffers.clone(), &loader);
        // The buffers have the only clones now. They drop them with `waiting`, when the fold has
        // ended, and then `requests` ends, too.
        drop(loader);
        let (fold, event, tx) = (fold.clone(), event.clone(), tx.cloned());
        let runtime = Handle::current();
        // The fold finds on the thread what it would find in this task.
        let (running, span) = (Running::current(), Span::current());
        let folding = spawn_blocking(move || {
            let fold = run(&fold, &event, &loads.buffers, tx.as_ref());
            runtime.block_on(still_running(running, fold.instrument(span)))
        });
        // After a failed load, requests are still received: the fold is blocked until each is
        // dropped.
        let mut outcome = Ok(());
        while let Some(request) = requests.recv().await {
            outcome = outcome.and(self.load(&request).await);
        }
        let folded = folding.await.map_err(Error::from)?;
        outcome.map(|()| folded)
    }

    async fn load(&self, request: &ViewRequest) -> Result<()> {
        let Some(buffer) = self.buffers.get(&request.model) else {
            return Ok(());
        };
        let keys = vec![request.key.clone()];
        let loaded = self
            .views
            .load_to_fold(buffer.schema().clone(), keys)
            .await?;
        let stored = loaded.into_iter().next().unwrap_or_default();
        buffer.insert(request.key.clone(), &stored)
    }

    /// Loads the views that the fold of an event has missed, with those that the next ones are likely
    /// to ask for. Returns whether it has missed any.
    async fn load_missing(&self, event: &Recorded, ahead: &[Arc<Recorded>]) -> Result<bool> {
        // One read per read model, of all its missing views.
        let mut any = false;
        for buffer in self.buffers.values() {
            let mut keys = buffer.take_missing();
            if keys.is_empty() {
                continue;
            }
            any = true;
            let max = match MAX_LIKELY_BYTES.checked_div(buffer.mean_bytes()) {
                Some(views) => views.min(MAX_LIKELY_VIEWS),
                None => FIRST_LIKELY_VIEWS,
            };
            keys.extend(buffer.not_in_memory(likely_keys(&keys, event, ahead, max)));
            let stored = self
                .views
                .load_to_fold(buffer.schema().clone(), keys.clone())
                .await?;
            for (key, stored) in keys.into_iter().zip(&stored) {
                buffer.insert(key, stored)?;
            }
        }
        Ok(any)
    }

    /// The changes to write.
    pub(super) fn changes(&self) -> Result<Vec<ViewChange>> {
        let mut changes = Vec::new();
        for buffer in self.buffers.values() {
            changes.extend(buffer.changes()?);
        }
        Ok(changes)
    }

    /// Records that the changes are written. Views stay in memory for the next page, unless there
    /// are too many.
    pub(super) fn committed(&self) {
        // They are valid until another worker moves the checkpoint. The next commit is then
        // refused, and `reset` follows.
        let keep = if self.are_full() {
            0
        } else {
            MAX_BUFFERED_VIEWS
        };
        self.buffers
            .values()
            .for_each(|buffer| buffer.committed(keep));
    }

    /// Records that the changes are being written, and those before them are. As
    /// [`committed`](Self::committed), but the changed views stay in memory in any case.
    pub(super) fn begun(&self) {
        self.buffers
            .values()
            .for_each(|buffer| buffer.begun(MAX_BUFFERED_VIEWS));
    }

    /// Whether the views in memory have to be dropped before anything else is folded.
    pub(super) fn are_full(&self) -> bool {
        self.bytes() > MAX_BUFFERED_BYTES
    }

    /// Discards all views in memory, with their changes. `is_first` if no event was ever folded.
    pub(super) fn restart(&self, is_first: bool) {
        self.reset();
        // Views that are written one by one may be there before any checkpoint is.
        if is_first && self.commits == CommitMode::Atomic {
            self.buffers
                .values()
                .for_each(|buffer| buffer.begin_empty());
        }
    }

    /// Records that the folds have come to the end that the log had when they began.
    pub(super) fn caught_up(&self) {
        for buffer in self.buffers.values() {
            buffer.forget_written();
        }
    }

    fn bytes(&self) -> usize {
        self.buffers.values().map(|buffer| buffer.bytes()).sum()
    }

    /// Discards all views in memory, with their changes.
    pub(super) fn reset(&self) {
        self.buffers.values().for_each(|buffer| buffer.reset());
    }

    /// Keeps the changes of the current event. Returns the size of the views in memory.
    fn commit_fold(&self) -> usize {
        let buffers = self.buffers.values();
        buffers.map(|buffer| buffer.commit_fold()).sum()
    }

    fn discard_fold(&self) {
        self.buffers
            .values()
            .for_each(|buffer| buffer.discard_fold());
    }
}

fn buffers(models: &[(ModelType, Arc<ModelSchema>)], commits: CommitMode) -> Arc<Buffers> {
    let buffers = models
        .iter()
        .map(|(model, schema)| (model.id, (model.buffer)(schema.clone(), commits)));
    Arc::new(buffers.collect())
}

/// Lets folds wait for views, until it is dropped.
struct BlockingLoads {
    buffers: Arc<Buffers>,
}

impl BlockingLoads {
    fn begin(buffers: Arc<Buffers>, loader: &Loader) -> Self {
        for buffer in buffers.values() {
            buffer.load_with(Some(loader.clone()));
        }
        Self { buffers }
    }
}

impl Drop for BlockingLoads {
    fn drop(&mut self) {
        for buffer in self.buffers.values() {
            buffer.load_with(None);
        }
    }
}

async fn run(
    fold: &Fold,
    recorded: &Recorded,
    buffers: &Buffers,
    tx: Option<&TxSlot<dyn ErasedViewTx>>,
) -> Result<()> {
    let scope = FoldScope {
        recorded,
        buffers,
        tx,
    };
    let folded = Reply::guarded(|| (fold.run)(recorded, &scope)).await;
    folded.map_err(Error::panicked)?
}
