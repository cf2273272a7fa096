use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::assignment::assign;
use super::backoff::Backoff;
use super::lease::{ShardLease, ShardLeaseState};
use super::worker::unless;
use super::{Phase, Progress};
use crate::store::{
    Attendance, Claim, Epoch, Roster, Shard, ShardState, ShardStore, StoreError, ViewStore,
    WorkerId,
};
use crate::trace;

/// Maximum time of a lease: a year, which every store can add to the current time.
const MAX_LEASE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Minimum number of signs of life in the time of a lease, and maximum time between two. With each one,
/// a process learns which shards have no owner.
const ATTENDANCES: u32 = 3;
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// Claims shards of a view store for the workers of this process, and gives up those that belong to
/// another process. Without a leader: each process computes the same assignment from the same
/// roster.
///
/// An observing one claims nothing and does not attend: it reads the shards of subscriptions that this
/// process does not handle.
pub(crate) struct Coordinator {
    worker: WorkerId,
    observes: bool,
    /// Time after its last sign of life at which this process counts as dead.
    lease: Duration,
    views: Arc<dyn ViewStore>,
    shards: HashMap<Shard, LeasedShard>,
    wake: Arc<Notify>,
    /// The error of the last sign of life, if it failed.
    failure: watch::Sender<Option<String>>,
}

struct LeasedShard {
    lease: ShardLease,
    progress: Progress,
}

/// Which of the free shards that are assigned to this process it has claimed.
enum Claimed {
    All,
    /// Not those for which another process was faster, or that are locked.
    Some,
}

impl Coordinator {
    /// The coordinator of a view store, `None` if that has no shards.
    pub(crate) fn new(views: Arc<dyn ViewStore>, lease: Duration) -> Option<Self> {
        views.view_capabilities().shards?;
        let mut coordinator = Self::observing(views, lease);
        coordinator.observes = false;
        Some(coordinator)
    }

    /// An observing coordinator of any view store.
    pub(crate) fn observing(views: Arc<dyn ViewStore>, lease: Duration) -> Self {
        Self {
            worker: WorkerId::new(),
            observes: true,
            lease: lease.min(MAX_LEASE),
            views,
            shards: HashMap::new(),
            wake: Arc::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// The error of the last sign of life, if it failed.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// The signal that wakes it.
    pub(super) fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// Adds the shard of a worker.
    pub(super) fn lease(&mut self, progress: Progress) -> ShardLease {
        let lease = ShardLease::new(progress.coordinator());
        let shard = progress.shard().clone();
        let leased = LeasedShard {
            lease: lease.clone(),
            progress,
        };
        self.shards.insert(shard, leased);
        lease
    }

    /// Whether it has the shard of a worker.
    pub(crate) fn has_shards(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Runs until all workers have stopped because of a shutdown, or the task is aborted.
    pub(crate) async fn run(mut self, mut phases: watch::Receiver<Phase>) {
        let mut failures = 0;
        let mut refusals = Backoff::default();
        loop {
            let mut pause = MAX_PAUSE.min(self.lease / ATTENDANCES);
            let attended = self.attend().await;
            let failure = attended.as_ref().err().map(ToString::to_string);
            self.failure.send_replace(failure);
            match attended {
                Ok(Claimed::All) => {
                    failures = 0;
                    refusals = Backoff::default();
                }
                // Growing pauses: the shard may stay locked for long, by a process that hangs.
                Ok(Claimed::Some) => {
                    failures = 0;
                    refusals.failed();
                    pause = pause.min(refusals.pause());
                }
                Err(error) => {
                    failures += 1;
                    self.fails(failures, &error);
                }
            }
            let is_over = async {
                let _ = phases.wait_for(|phase| *phase != Phase::Running).await;
                for shard in self.shards.values() {
                    shard.progress.ended().await;
                }
            };
            let woken = timeout(pause, self.wake.notified());
            if unless(is_over, woken).await.is_none() {
                self.leave().await;
                break;
            }
        }
    }

    /// Attends, and takes and gives up shards as they are assigned.
    async fn attend(&self) -> Result<Claimed, StoreError> {
        let halts: HashMap<&Shard, u64> = self
            .shards
            .iter()
            .map(|(shard, leased)| (shard, leased.progress.halts()))
            .collect();
        let roster = self.roster().await?;
        let assigned = assign(&roster, &all_shards(&roster));
        let states: HashMap<&Shard, &ShardState> = roster
            .shards
            .iter()
            .map(|state| (&state.shard, state))
            .collect();
        let mut claims = Vec::new();
        let mut released = Vec::new();
        for (shard, LeasedShard { lease, progress }) in &self.shards {
            let state = states.get(shard).copied();
            let epoch = state.map(|state| state.epoch).unwrap_or_default();
            let halt = state.and_then(|state| state.halt.as_ref());
            if !progress.mark_rostered(halts[shard], halt) {
                self.wake.notify_one();
                continue;
            }
            let is_assigned = assigned.get(shard) == Some(&self.worker) && halt.is_none();
            match state.and_then(|state| state.owner) {
                Some(owner) if owner == self.worker => match lease.state() {
                    _ if is_assigned => lease.grant(epoch),
                    ShardLeaseState::Elsewhere(_) => released.push(shard.clone()),
                    ShardLeaseState::Held(epoch) | ShardLeaseState::Ending(epoch) => {
                        lease.end(epoch);
                    }
                },
                None if is_assigned => claims.push(Claim {
                    shard: shard.clone(),
                    seen: epoch,
                }),
                Some(_) | None => {
                    lease.lose(state.and_then(|state| state.checkpoint));
                    progress.mark_left();
                    if self.expects_owners() {
                        let owner = state.and_then(|state| state.owner);
                        progress.mark_owned(owner.is_some(), self.lease);
                    }
                }
            }
        }
        let Some(store) = self.views.view_capabilities().shards else {
            return Ok(Claimed::All);
        };
        if !released.is_empty() {
            store.release(self.worker, released).await?;
        }
        let mut claimed = Claimed::All;
        if !claims.is_empty() {
            let epochs = store.claim(self.worker, claims.clone()).await?;
            for (claim, epoch) in claims.iter().zip(epochs) {
                match (self.shards.get(&claim.shard), epoch) {
                    (Some(leased), Some(epoch)) => leased.lease.grant(epoch),
                    _ => claimed = Claimed::Some,
                }
            }
        }
        Ok(claimed)
    }

    /// The processes that attend, this one included, and the shards. For an observer, the shards alone.
    async fn roster(&self) -> Result<Roster, StoreError> {
        let store = self.views.view_capabilities().shards;
        if let Some(store) = store.filter(|_| !self.observes) {
            return store.attend(self.attendance()).await;
        }
        let mut shards = Vec::with_capacity(self.shards.len());
        match store {
            Some(store) => {
                for subscription in self.attendance().subscriptions {
                    shards.extend(store.shards(subscription).await?);
                }
            }
            None => {
                for shard in self.shards.keys() {
                    shards.push(ShardState {
                        shard: shard.clone(),
                        owner: None,
                        epoch: Epoch::UNCLAIMED,
                        checkpoint: self.views.checkpoint(shard).await?,
                        halt: None,
                    });
                }
            }
        }
        Ok(Roster {
            workers: Vec::new(),
            shards,
        })
    }

    /// Whether this process would notice that no other one handles its shards, and that is a mistake: a
    /// store that can only be read may be a copy.
    fn expects_owners(&self) -> bool {
        let capabilities = self.views.view_capabilities();
        self.observes && capabilities.shards.is_some() && !capabilities.read_only
    }

    /// Gives up all shards.
    async fn leave(&mut self) {
        let attended = self.views.view_capabilities().shards;
        if let Some(shards) = attended.filter(|_| !self.observes) {
            // If it fails, the lease ends by itself.
            let _ = ShardStore::leave(shards, self.worker).await;
        }
        self.shards.clear();
    }

    /// Reports that no shard can be claimed. Those that are held have workers, which report failures
    /// of their own.
    fn fails(&self, attempts: u32, error: &StoreError) {
        trace::attends_not(error);
        for LeasedShard { lease, progress } in self.shards.values() {
            if let ShardLeaseState::Elsewhere(_) = lease.state() {
                progress.mark_failing(attempts, error.to_string());
            }
        }
    }

    fn attendance(&self) -> Attendance {
        let mut subscriptions: Vec<String> = self
            .shards
            .keys()
            .map(|shard| shard.subscription.clone())
            .collect();
        subscriptions.sort();
        subscriptions.dedup();
        Attendance {
            worker: self.worker,
            subscriptions,
            lease: self.lease,
        }
    }
}

/// All shards that the attending processes can handle, in order. A subscription that was never
/// claimed is a single shard.
fn all_shards(roster: &Roster) -> Vec<Shard> {
    let mut shards: Vec<Shard> = roster
        .shards
        .iter()
        .map(|state| state.shard.clone())
        .collect();
    for subscription in roster
        .workers
        .iter()
        .flat_map(|(_, subscriptions)| subscriptions)
    {
        if !shards
            .iter()
            .any(|shard| shard.subscription == *subscription)
        {
            shards.push(Shard::whole(subscription));
        }
    }
    shards.sort();
    shards
}

/// Gives up all shards, however the task ends, so that other processes need not wait for the end of
/// the lease.
impl Drop for Coordinator {
    fn drop(&mut self) {
        if self.shards.is_empty() || self.observes {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (views, worker) = (self.views.clone(), self.worker);
        runtime.spawn(async move {
            if let Some(shards) = views.view_capabilities().shards {
                // If it fails, the lease ends by itself.
                let _ = ShardStore::leave(shards, worker).await;
            }
        });
    }
}
