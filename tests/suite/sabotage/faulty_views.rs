//! A view store in memory that breaks one promise. Longer than 500 lines: one list of the ways to break one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cqrs_conformance::ViewFixture;
use cqrs_core::store::{
    Attendance, BoxFuture, Checkpoint, Claim, Division, Epoch, Halt, Incarnation, KeyRelease,
    ModelSchema, ParkedChange, ParkedKey, ProjectionVersion, Relocation, Replacement,
    ReplacementOutcome, Roster, Shard, ShardState, ShardStore, SkippedEvent, Slices, SortKey,
    StoreError, StoredView, VersionChange, VersionRemoval, VersionStep, VersionStore, ViewBatch,
    ViewCapabilities, ViewCommitError, ViewPage, ViewScan, ViewStore, WorkerId,
};
use cqrs_core::{Memory, Position};

/// The bodies of views.
type Views = Vec<Option<Vec<u8>>>;

/// The promise that a view store breaks, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ViewFault {
    /// None: queries read from a copy that lags behind, and wait for it when they are asked to.
    Lags,
    LagsUnseen,
    KeepsDeletedViews,
    ForgetsTheLastEvent,
    MovesTheCheckpointFirst,
    HasNoFence,
    LoadsFromBefore,
    SkipsNothing,
    BeginsAtTheStart,
    CountsThePage,
    CountsLater,
    KeepsOldSortKeys,
    TrimsKeys,
    IndexesPrefixes,
    LoadsAFew,
    SplitsBatches,
    TruncatesSubscriptions,
    IgnoresEpochs,
    RobsOwners,
    GrantsEveryClaim,
    ForgetsShards,
    ForgetsHalts,
    HaltsInAnyEpoch,
    RelocatesFromAnywhere,
    ForgetsWhatIsAhead,
    HidesShards,
    ForgetsAcceptedCode,
    SwitchesWhatIsHeld,
    TakesEachVersionForTheFirst,
    RemovesWhatIsAttended,
    ReplacesWhatIsFurther,
    SeizesNothing,
    ParksNothing,
    ParksWithoutFence,
    ReleasesNothing,
    ReleasesUnfenced,
    KeepsLaterKeys,
    LosesKeysWhenDivided,
}

/// The data of a faulty view store, shared by its handles. Also the handles: they have no state of
/// their own.
#[derive(Clone)]
pub struct FaultyViews {
    data: Memory,
    fault: ViewFault,
    shared: Arc<Mutex<Shared>>,
    replica: Arc<tokio::sync::Mutex<Replica>>,
}

/// A copy that is a batch behind.
#[derive(Default)]
struct Replica {
    copy: Memory,
    /// The batch that the copy lacks.
    pending: Option<ViewBatch>,
}

#[derive(Default)]
struct Shared {
    /// The answer to the first load of each list of keys.
    loaded: HashMap<Vec<String>, Views>,
    /// The first sort keys of each view.
    sort_keys: HashMap<String, Vec<SortKey>>,
}

impl FaultyViews {
    pub fn new(fault: ViewFault) -> Self {
        Self {
            data: Memory::new(),
            fault,
            shared: Arc::default(),
            replica: Arc::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data that queries read.
    async fn queried(&self) -> Memory {
        match self.fault {
            ViewFault::Lags | ViewFault::LagsUnseen => self.replica.lock().await.copy.clone(),
            _ => self.data.clone(),
        }
    }

    /// Brings the copy to where it is one batch behind, or to where it is not.
    async fn replicate(&self, latest: Option<ViewBatch>) -> Result<(), StoreError> {
        let mut replica = self.replica.lock().await;
        if let Some(mut batch) = std::mem::replace(&mut replica.pending, latest) {
            let whole = Shard::whole(&*batch.shard.subscription);
            let found = replica.copy.checkpoint(&whole).await?;
            batch.from = found.map(|found| found.position);
            // The copy has the views only, of all shards.
            batch.epoch = Epoch::UNCLAIMED;
            batch.shard = whole;
            batch.parked.clear();
            let replicated = replica.copy.commit(batch).await;
            replicated.expect("the copy has no other writer");
        }
        Ok(())
    }

    async fn commit_badly(&self, mut batch: ViewBatch) -> Result<(), ViewCommitError> {
        match self.fault {
            ViewFault::HasNoFence => {
                let found = self.data.checkpoint(&batch.shard).await?;
                batch.from = found.map(|found| found.position);
            }
            ViewFault::KeepsDeletedViews => batch.changes.retain(|change| change.view.is_some()),
            ViewFault::ForgetsTheLastEvent => batch.to.last_event = None,
            ViewFault::TrimsKeys => {
                for change in &mut batch.changes {
                    change.key = change.key.trim().to_owned();
                }
            }
            ViewFault::IndexesPrefixes => {
                let sort_keys = batch.changes.iter_mut().filter_map(|it| it.view.as_mut());
                for key in sort_keys.flat_map(|(_, sort_keys)| sort_keys) {
                    let prefix = key.as_bytes().iter().take(255).copied();
                    *key = SortKey::from(prefix.collect::<Vec<u8>>());
                }
            }
            ViewFault::SplitsBatches if batch.changes.len() > 25 => {
                let shard = Shard::whole("part");
                let from = self.data.checkpoint(&shard).await?;
                let part = ViewBatch {
                    from: from.map(|checkpoint| checkpoint.position),
                    changes: batch.changes.drain(..25).collect(),
                    shard,
                    parked: Vec::new(),
                    ..batch
                };
                self.data.commit(part).await?;
                super::a_while().await;
            }
            ViewFault::TruncatesSubscriptions => batch.shard.subscription.truncate(64),
            ViewFault::ParksNothing => batch.parked.clear(),
            ViewFault::ParksWithoutFence => {
                let parked = self.data.parked(batch.shard.clone()).await?;
                for change in &mut batch.parked {
                    let found = parked.iter().find(|parked| parked.key == change.key());
                    *change = with_from(change, found.map(|parked| parked.first));
                }
            }
            ViewFault::IgnoresEpochs => batch.epoch = self.epoch(&batch.shard).await?,
            ViewFault::KeepsOldSortKeys => {
                let mut shared = self.shared();
                for change in &mut batch.changes {
                    if let Some((_, sort_keys)) = &mut change.view {
                        let first = shared.sort_keys.entry(change.key.clone());
                        sort_keys.clone_from(first.or_insert_with(|| sort_keys.clone()));
                    }
                }
            }
            ViewFault::MovesTheCheckpointFirst => {
                let changes = std::mem::take(&mut batch.changes);
                self.data.commit(batch.clone()).await?;
                super::a_while().await;
                batch = ViewBatch {
                    from: Some(batch.to.position),
                    changes,
                    ..batch
                };
            }
            _ => {}
        }
        self.data.commit(batch.clone()).await?;
        self.replicate(Some(batch)).await?;
        Ok(())
    }

    async fn load_badly(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> Result<Views, StoreError> {
        let mut views = self.queried().await.load(model, keys.clone()).await?;
        if self.fault == ViewFault::LoadsAFew {
            views.truncate(100);
        }
        if self.fault != ViewFault::LoadsFromBefore {
            return Ok(views);
        }
        let mut shared = self.shared();
        Ok(shared.loaded.entry(keys).or_insert(views).clone())
    }

    async fn scan_badly(&self, mut scan: ViewScan) -> Result<ViewPage, StoreError> {
        if self.fault == ViewFault::SkipsNothing {
            scan.skip = 0;
        }
        if self.fault == ViewFault::BeginsAtTheStart {
            scan.after = None;
        }
        let mut page = self.queried().await.scan(scan.clone()).await?;
        match self.fault {
            ViewFault::CountsThePage => page.total = page.total.map(|_| page.rows.len() as u64),
            ViewFault::CountsLater => {
                tokio::task::yield_now().await;
                page.total = self.data.scan(scan).await?.total;
            }
            _ => {}
        }
        Ok(page)
    }
}

impl ViewFixture for FaultyViews {
    type Views = Self;

    async fn open_views(&self) -> Self {
        self.clone()
    }
}

#[deny(clippy::missing_trait_methods)]
impl ViewStore for FaultyViews {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.data.prepare(models)
    }

    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>> {
        let length = match self.fault {
            ViewFault::TruncatesSubscriptions => shard.subscription.len().min(64),
            _ => shard.subscription.len(),
        };
        let shard = Shard {
            subscription: shard.subscription[..length].to_owned(),
            slices: shard.slices,
        };
        Box::pin(async move { self.data.checkpoint(&shard).await })
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(self.commit_badly(batch))
    }

    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        match self.fault {
            ViewFault::Lags => Box::pin(self.replicate(None)),
            _ => self.data.wait_until_visible(),
        }
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Views, StoreError>> {
        Box::pin(self.load_badly(model, keys))
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<StoredView>, StoreError>> {
        self.data.load_to_fold(model, keys)
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        Box::pin(self.scan_badly(scan))
    }

    fn view_incarnation(&self) -> Incarnation {
        self.data.view_incarnation()
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        self.data.view_capabilities().shards(self).versions(self)
    }
}

impl FaultyViews {
    async fn epoch(&self, shard: &Shard) -> Result<Epoch, StoreError> {
        let attendance = Attendance {
            worker: WorkerId::new(),
            subscriptions: vec![shard.subscription.clone()],
            lease: Duration::ZERO,
        };
        let roster = self.data.attend(attendance).await?;
        let found = roster.shards.iter().find(|state| state.shard == *shard);
        Ok(found.map(|state| state.epoch).unwrap_or_default())
    }

    /// Changes parked keys, from wherever the shard is.
    async fn park(&self, shard: &Shard, parked: Vec<ParkedChange>) -> Result<(), StoreError> {
        let states = self.data.shards(shard.subscription.clone()).await?;
        let state = states.into_iter().find(|state| state.shard == *shard);
        let Some((state, at)) = state.and_then(|state| Some((state.clone(), state.checkpoint?)))
        else {
            return Ok(());
        };
        let batch = ViewBatch {
            shard: shard.clone(),
            epoch: state.epoch,
            from: Some(at.position),
            to: at,
            incarnation: self.data.view_incarnation(),
            changes: Vec::new(),
            parked,
        };
        self.data.commit(batch).await.expect("nobody else writes");
        Ok(())
    }

    /// Ends the attendance of all processes.
    async fn rob_owners(
        &self,
        worker: WorkerId,
        subscriptions: Vec<String>,
    ) -> Result<(), StoreError> {
        let attendance = Attendance {
            worker,
            subscriptions,
            lease: Duration::from_secs(3600),
        };
        for (owner, _) in self.data.attend(attendance).await?.workers {
            self.data.leave(owner).await?;
        }
        Ok(())
    }
}

#[deny(clippy::missing_trait_methods)]
impl ShardStore for FaultyViews {
    fn attend(&self, attendance: Attendance) -> BoxFuture<'_, Result<Roster, StoreError>> {
        Box::pin(async move {
            let mut roster = self.data.attend(attendance).await?;
            if self.fault == ViewFault::ForgetsShards {
                roster.shards.pop();
            }
            Ok(roster)
        })
    }

    fn claim(
        &self,
        worker: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Epoch>>, StoreError>> {
        Box::pin(async move {
            if self.fault == ViewFault::RobsOwners {
                let subscriptions = claims.iter().map(|it| it.shard.subscription.clone());
                self.rob_owners(worker, subscriptions.collect()).await?;
            }
            let mut epochs = self.data.claim(worker, claims.clone()).await?;
            if self.fault == ViewFault::GrantsEveryClaim {
                epochs = claims.iter().map(|it| Some(it.seen.next())).collect();
            }
            Ok(epochs)
        })
    }

    fn release(
        &self,
        worker: WorkerId,
        shards: Vec<Shard>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.data.release(worker, shards)
    }

    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.data.leave(worker)
    }

    fn shards(&self, subscription: String) -> BoxFuture<'_, Result<Vec<ShardState>, StoreError>> {
        Box::pin(async move {
            let mut states = self.data.shards(subscription).await?;
            if self.fault == ViewFault::ForgetsWhatIsAhead {
                for state in &mut states {
                    state.ahead.clear();
                }
            }
            if self.fault == ViewFault::HidesShards && states.len() > 1 {
                states.pop();
            }
            Ok(states)
        })
    }

    fn halt(
        &self,
        shard: Shard,
        halt: Halt,
        epoch: Option<Epoch>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        match self.fault {
            ViewFault::ForgetsHalts => Box::pin(std::future::ready(Ok(true))),
            ViewFault::HaltsInAnyEpoch => self.data.halt(shard, halt, None),
            _ => self.data.halt(shard, halt, epoch),
        }
    }

    fn resume(&self, shard: Shard, from_pause: bool) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.data.resume(shard, from_pause)
    }

    fn relocate(&self, relocation: Relocation) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut relocation = relocation;
            if self.fault == ViewFault::RelocatesFromAnywhere {
                let found = self.data.checkpoint(&relocation.shard).await?;
                relocation.from = found.map(|found| found.position);
            }
            let shard = relocation.shard.clone();
            let before = self.data.parked(shard.clone()).await?;
            let is_moved = self.data.relocate(relocation).await?;
            if self.fault == ViewFault::KeepsLaterKeys && is_moved {
                let left = self.data.parked(shard.clone()).await?;
                let removed = before.into_iter().filter(|parked| !left.contains(parked));
                self.park(&shard, removed.map(ParkedChange::Park).collect())
                    .await?;
            }
            Ok(is_moved)
        })
    }

    fn seize(&self, worker: WorkerId, of: String) -> BoxFuture<'_, Result<bool, StoreError>> {
        if self.fault == ViewFault::SeizesNothing {
            return Box::pin(async move { Ok(!self.data.shards(of).await?.is_empty()) });
        }
        self.data.seize(worker, of)
    }

    fn divide(&self, division: Division) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let whole = Shard::whole(division.subscription());
            let parked = self.data.parked(whole.clone()).await?;
            let is_divided = self.data.divide(division).await?;
            if self.fault == ViewFault::LosesKeysWhenDivided && is_divided {
                for state in self.data.shards(whole.subscription).await? {
                    let own = parked.iter();
                    let own = own.filter(|key| state.shard.slices.contains(key.slice()));
                    let unpark = own.map(|key| ParkedChange::Unpark {
                        key: key.key.clone(),
                        from: key.first,
                    });
                    self.park(&state.shard, unpark.collect()).await?;
                }
            }
            Ok(is_divided)
        })
    }

    fn skipped(
        &self,
        subscription: String,
    ) -> BoxFuture<'_, Result<Vec<SkippedEvent>, StoreError>> {
        self.data.skipped(subscription)
    }

    fn parked(&self, shard: Shard) -> BoxFuture<'_, Result<Vec<ParkedKey>, StoreError>> {
        self.data.parked(shard)
    }

    fn release_keys(&self, release: KeyRelease) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let parked = self
                .data
                .parked(Shard::whole(&*release.subscription))
                .await?;
            let released = parked.iter().filter_map(|key| release.apply(key));
            match self.fault {
                ViewFault::ReleasesNothing => Ok(released.count() as u64),
                ViewFault::ReleasesUnfenced => {
                    let moves: Vec<_> = parked
                        .iter()
                        .filter_map(|key| {
                            Some(ParkedChange::Move {
                                from: key.first,
                                to: release.apply(key)?,
                            })
                        })
                        .collect();
                    let count = moves.len() as u64;
                    for state in self.data.shards(release.subscription.clone()).await? {
                        let own = moves.iter().filter(|change| {
                            state.shard.slices.contains(Slices::of_tag(change.key()))
                        });
                        self.park(&state.shard, own.cloned().collect()).await?;
                    }
                    Ok(count)
                }
                _ => self.data.release_keys(release).await,
            }
        })
    }
}

/// The same change of a key that is parked at this event.
fn with_from(change: &ParkedChange, from: Option<Position>) -> ParkedChange {
    match (from, change.to()) {
        (None, Some(to)) => ParkedChange::Park(to.clone()),
        (Some(from), Some(to)) => ParkedChange::Move {
            from,
            to: to.clone(),
        },
        (Some(from), None) => ParkedChange::Unpark {
            key: change.key().to_owned(),
            from,
        },
        (None, None) => change.clone(),
    }
}

#[deny(clippy::missing_trait_methods)]
impl VersionStore for FaultyViews {
    fn versions(
        &self,
        projection: String,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        self.data.versions(projection)
    }

    fn change_versions(
        &self,
        change: VersionChange,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        let by_hand = VersionStep::Switch { by_hand: true };
        Box::pin(async move {
            match (self.fault, &change.step) {
                (ViewFault::ForgetsAcceptedCode, VersionStep::Accept(_)) => {
                    return self.data.versions(change.projection).await;
                }
                (ViewFault::SwitchesWhatIsHeld, VersionStep::Switch { .. }) => {
                    let change = VersionChange {
                        step: by_hand,
                        ..change
                    };
                    return self.data.change_versions(change).await;
                }
                (ViewFault::TakesEachVersionForTheFirst, VersionStep::Register { .. }) => {
                    self.data.change_versions(change.clone()).await?;
                    let change = VersionChange {
                        step: by_hand,
                        ..change
                    };
                    return self.data.change_versions(change).await;
                }
                _ => {}
            }
            self.data.change_versions(change).await
        })
    }

    fn remove_version(&self, removal: VersionRemoval) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            if self.fault == ViewFault::RemovesWhatIsAttended {
                let subscriptions = removal.subscriptions.clone();
                self.rob_owners(WorkerId::new(), subscriptions).await?;
            }
            self.data.remove_version(removal).await
        })
    }

    fn replace_views(
        &self,
        replacement: Replacement,
    ) -> BoxFuture<'_, Result<ReplacementOutcome, StoreError>> {
        Box::pin(async move {
            if self.fault == ViewFault::ReplacesWhatIsFurther {
                for state in self.data.shards(replacement.subscription.clone()).await? {
                    let back = Relocation {
                        from: state.checkpoint.map(|checkpoint| checkpoint.position),
                        to: Position::START.into(),
                        shard: state.shard,
                        skipped: None,
                        keys: Vec::new(),
                    };
                    self.data.relocate(back).await?;
                }
            }
            self.data.replace_views(replacement).await
        })
    }
}
