mod divisions;
mod roster;

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout};

use super::assignment::assign;
use super::backoff::Backoff;
use super::crew::{Crew, RunWorker};
use super::lease::{ShardLease, ShardLeaseState};
use super::worker::unless;
use super::{Phase, ShardProgress, Tasks};
use crate::store::{Claim, Shard, ShardState, ShardStore, StoreError, ViewStore, WorkerId};
use crate::trace;
use roster::all_shards;

/// Maximum time of a lease: a year, which every store can add to the current time.
const MAX_LEASE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Minimum number of signs of life in the time of a lease, and maximum time between two. With each one,
/// a process learns which shards have no owner.
const ATTENDANCES: u32 = 3;
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// Time between two signs of life while another process owns a shard that is assigned to this one, and is
/// about to give it up.
const HANDOVER_PAUSE: Duration = Duration::from_millis(250);

/// Claims shards of a view store for the workers of this process, and gives up those that belong to
/// another process. Without a leader: each process computes the same assignment from the same
/// roster. Also starts a worker for each shard, and others when a subscription is divided.
///
/// An observing one claims nothing and does not attend: it reads the shards of subscriptions that this
/// process does not handle.
pub(crate) struct Coordinator {
    worker: WorkerId,
    observes: bool,
    /// Time after its last sign of life at which this process counts as dead.
    lease: Duration,
    views: Arc<dyn ViewStore>,
    /// By the subscription.
    crews: BTreeMap<String, CoordinatedCrew>,
    shards: HashMap<Shard, LeasedShard>,
    /// Where workers are started.
    tasks: Weak<Tasks>,
    /// Each worker has a sender, also those of former shards.
    workers: (mpsc::Sender<()>, mpsc::Receiver<()>),
    wake: Arc<Notify>,
    /// The error of the last sign of life, if it failed.
    failure: watch::Sender<Option<String>>,
}

struct CoordinatedCrew {
    crew: Crew,
    run: RunWorker,
    /// The reason that this process can handle no shard of the subscription. It does not attend for it, or
    /// others would leave shards to it.
    mismatch: Option<String>,
}

struct LeasedShard {
    lease: ShardLease,
    progress: ShardProgress,
    /// Time of the last claim.
    claimed: Option<Instant>,
}

impl LeasedShard {
    /// Whether other processes may not have heard of the claim, so that none would take the shard if it were
    /// given up.
    fn is_unheard_of(&self) -> bool {
        self.claimed
            .is_some_and(|claimed| claimed.elapsed() < MAX_PAUSE)
    }

    /// Handles no events of the shard, for this reason. `None` if a shutdown has begun.
    fn set_aside(&self, mismatch: Option<&str>) {
        self.lease.lose(None);
        match mismatch {
            Some(mismatch) => self.progress.mark_failing(1, mismatch.to_owned()),
            // Nothing is left to do here.
            None => self.progress.mark_left(),
        }
    }
}

/// What a roster has a process change about its shards.
#[derive(Default)]
struct ShardChanges {
    claims: Vec<Claim>,
    released: Vec<Shard>,
    /// Whether another process still owns some that are assigned to this one.
    is_any_unreleased: bool,
}

/// Which of the shards that are assigned to this process it has.
enum Claimed {
    All,
    /// Not those that another process still owns.
    Unreleased,
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
            crews: BTreeMap::new(),
            shards: HashMap::new(),
            tasks: Weak::new(),
            workers: mpsc::channel(1),
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

    /// Starts the workers of a crew, which handle events once they hold their shards.
    pub(crate) fn add(&mut self, crew: Crew, run: RunWorker, tasks: &Arc<Tasks>) {
        self.tasks = Arc::downgrade(tasks);
        let subscription = crew.progress().subscription().to_owned();
        let shards = crew.progress().shards();
        let crew = CoordinatedCrew {
            crew,
            run,
            mismatch: None,
        };
        self.crews.insert(subscription.clone(), crew);
        self.start(&subscription, shards.iter().cloned());
    }

    /// Whether it has a crew.
    pub(crate) fn is_busy(&self) -> bool {
        !self.crews.is_empty()
    }

    /// Runs until all workers have stopped because of a shutdown, or the dispatcher is gone. Then gives up
    /// all shards, so that other processes need not wait for the end of the lease.
    pub(crate) async fn run(
        mut self,
        mut phases: watch::Receiver<Phase>,
        gone: impl Future<Output = ()>,
    ) {
        let mut gone = pin!(gone);
        let mut failures = 0;
        let mut refusals = Backoff::default();
        loop {
            let mut pause = MAX_PAUSE.min(self.lease / ATTENDANCES);
            let is_running = *phases.borrow() == Phase::Running;
            let attended = self.attend(is_running).await;
            let failure = attended.as_ref().err().map(ToString::to_string);
            self.failure.send_replace(failure);
            match attended {
                Ok(Claimed::All) => {
                    failures = 0;
                    refusals = Backoff::default();
                }
                Ok(Claimed::Unreleased) => {
                    failures = 0;
                    refusals = Backoff::default();
                    pause = pause.min(HANDOVER_PAUSE);
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
            let ends = async {
                let _ = unless(gone.as_mut(), is_over).await;
            };
            if unless(ends, woken).await.is_none() {
                // Also for the workers of former shards, which may be in the middle of an event.
                let (own, mut workers) = std::mem::replace(&mut self.workers, mpsc::channel(1));
                drop(own);
                workers.recv().await;
                self.leave().await;
                break;
            }
        }
    }

    /// Attends, and takes and gives up shards as they are assigned.
    async fn attend(&mut self, is_running: bool) -> Result<Claimed, StoreError> {
        self.review_mismatches().await?;
        let halts: HashMap<Shard, u64> = self
            .shards
            .iter()
            .map(|(shard, leased)| (shard.clone(), leased.progress.halts()))
            .collect();
        let mut roster = self.roster().await?;
        self.note_others(&roster);
        self.add_outdated(&mut roster).await?;
        let new = if is_running {
            self.follow_divisions(&roster)
        } else {
            Vec::new()
        };
        self.note_parked(&roster);
        let assigned = assign(&roster, &all_shards(&roster));
        let states: HashMap<&Shard, &ShardState> = roster
            .shards
            .iter()
            .map(|state| (&state.shard, state))
            .collect();
        let mut changes = ShardChanges::default();
        for (shard, leased) in &self.shards {
            let state = states.get(shard).copied();
            if let Some(mismatch) = self.mismatch(shard) {
                leased.set_aside(is_running.then_some(mismatch));
                continue;
            }
            let halts = halts.get(shard).copied().unwrap_or_default();
            let halt = state.and_then(|state| state.halt.as_ref());
            if !leased.progress.mark_rostered(halts, halt) {
                self.wake.notify_one();
                continue;
            }
            let is_claimable = halt.is_none() && !self.is_outdated(shard);
            let is_assigned = is_claimable && assigned.get(shard) == Some(&self.worker);
            // After a division, the first process that learns of it takes all shards, until the others do.
            let is_free = !self.observes && is_claimable && new.contains(shard);
            self.review(leased, state, (is_assigned, is_free), &mut changes);
        }
        self.carry_out(changes).await
    }

    /// Compares the lease of a shard with how that is stored, and notes what is to be changed. It is assigned to this
    /// process, or free for it until others learn of it, or neither.
    fn review(
        &self,
        leased: &LeasedShard,
        state: Option<&ShardState>,
        (is_assigned, is_free): (bool, bool),
        changes: &mut ShardChanges,
    ) {
        let LeasedShard {
            lease, progress, ..
        } = leased;
        let shard = progress.shard();
        let epoch = state.map(|state| state.epoch).unwrap_or_default();
        let is_halted = state.is_some_and(|state| state.halt.is_some());
        let is_outdated = self.is_outdated(shard);
        let is_kept = is_assigned || (!is_halted && !is_outdated && leased.is_unheard_of());
        if state.is_some() {
            progress.mark_epoch(epoch);
        }
        match state.and_then(|state| state.owner) {
            Some(owner) if owner == self.worker => match lease.state() {
                _ if is_kept => lease.grant(epoch),
                ShardLeaseState::Elsewhere(_) => changes.released.push(shard.clone()),
                ShardLeaseState::Held(epoch) | ShardLeaseState::Ending(epoch) => lease.end(epoch),
            },
            None if is_assigned || is_free => changes.claims.push(Claim {
                shard: shard.clone(),
                seen: epoch,
            }),
            owner => {
                changes.is_any_unreleased |= owner.is_some() && is_assigned;
                let checkpoint = state.and_then(|state| state.checkpoint);
                lease.lose(checkpoint.map(|checkpoint| (epoch, checkpoint)));
                progress.mark_left();
                if self.expects_owners() || is_outdated {
                    progress.mark_owned(owner.is_some(), self.lease);
                }
            }
        }
    }

    /// Gives up and claims shards.
    async fn carry_out(&mut self, changes: ShardChanges) -> Result<Claimed, StoreError> {
        let ShardChanges {
            claims,
            released,
            is_any_unreleased,
        } = changes;
        let Some(store) = self.views.view_capabilities().shards else {
            return Ok(Claimed::All);
        };
        if !released.is_empty() {
            store.release(self.worker, released).await?;
        }
        let mut claimed = if is_any_unreleased {
            Claimed::Unreleased
        } else {
            Claimed::All
        };
        if !claims.is_empty() {
            let epochs = store.claim(self.worker, claims.clone()).await?;
            for (claim, epoch) in claims.iter().zip(epochs) {
                match (self.shards.get_mut(&claim.shard), epoch) {
                    (Some(leased), Some(epoch)) => {
                        leased.claimed = Some(Instant::now());
                        leased.progress.mark_claimed(epoch);
                        leased.lease.grant(epoch);
                    }
                    _ => claimed = Claimed::Some,
                }
            }
        }
        Ok(claimed)
    }

    /// Whether this program is too old for the subscription of a shard.
    fn is_outdated(&self, shard: &Shard) -> bool {
        let crew = self.crews.get(&shard.subscription);
        crew.is_some_and(CoordinatedCrew::is_outdated)
    }

    /// Whether this process would notice that no other one handles its shards, and that is a mistake: a
    /// store that can only be read may be a copy.
    fn expects_owners(&self) -> bool {
        let capabilities = self.views.view_capabilities();
        self.observes && capabilities.shards.is_some() && !capabilities.read_only
    }

    fn start(&mut self, subscription: &str, shards: impl IntoIterator<Item = ShardProgress>) {
        let crew = self.crews.get(subscription);
        let (Some(CoordinatedCrew { crew, run, .. }), Some(tasks)) = (crew, self.tasks.upgrade())
        else {
            return;
        };
        for progress in shards {
            let lease = ShardLease::new(self.wake.clone());
            let work = run(crew.worker(progress.clone(), lease.clone()));
            let working = self.workers.0.clone();
            tasks.spawn(async move {
                work.await;
                drop(working);
            });
            let shard = progress.shard().clone();
            let leased = LeasedShard {
                lease,
                progress,
                claimed: None,
            };
            self.shards.insert(shard, leased);
        }
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
        for LeasedShard {
            lease, progress, ..
        } in self.shards.values()
        {
            if let ShardLeaseState::Elsewhere(_) = lease.state() {
                progress.mark_failing(attempts, error.to_string());
            }
        }
    }
}

impl CoordinatedCrew {
    /// Whether other processes are to handle the events.
    fn is_outdated(&self) -> bool {
        self.crew.progress().info().outdated.is_set()
    }
}
