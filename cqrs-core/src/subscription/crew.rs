use std::sync::Arc;

use super::info::SubscriptionInfo;
use super::lease::ShardLease;
use super::{Following, HeldCheckpoint, Progress, ShardProgress, Worker};
use crate::store::{
    BoxFuture, Epoch, EventLog, EventLogExt, Shard, ShardState, Slices, StoreError,
    ViewCommitError, ViewStore,
};

/// Runs the worker of a shard until it ends.
pub(crate) type RunWorker = Box<dyn Fn(Worker) -> BoxFuture<'static, ()> + Send + Sync>;

/// The workers of a subscription, one for each of its shards. Other processes may have others for the same
/// shards: those that hold a shard's lease work.
pub(crate) struct Crew {
    progress: Progress,
    log: Arc<dyn EventLog>,
    following: Following,
}

impl Crew {
    /// The crew of a subscription, which may be divided already.
    pub(super) async fn new(
        info: Arc<SubscriptionInfo>,
        log: Arc<dyn EventLog>,
        following: Following,
    ) -> Result<Self, StoreError> {
        let stored = match info.views.view_capabilities().shards {
            Some(shards) => shards.shards(info.subscription.clone()).await?,
            None => Vec::new(),
        };
        let shards = shards_of(&info, &stored.iter().collect::<Vec<_>>())
            .unwrap_or_else(|| vec![Slices::ALL])
            .into_iter()
            .map(|slices| ShardProgress::new(info.clone(), slices))
            .collect();
        let crew = Self {
            progress: Progress::new(info, shards),
            log,
            following,
        };
        for state in &stored {
            if let Some(shard) = crew.progress.shard(state.shard.slices) {
                crew.show(&shard, state).await;
            }
        }
        Ok(crew)
    }

    /// Shows what no worker of this process is about to find out: nobody may handle a halted shard.
    async fn show(&self, shard: &ShardProgress, stored: &ShardState) {
        shard.mark_epoch(stored.epoch);
        shard.mark_parked_count(stored.parked);
        if stored.halt.is_some() {
            shard.mark_halted(stored.halt.as_ref());
            // A failed read is repeated once somebody waits for the position.
            let _ = self.show_position(shard).await;
        }
    }

    async fn show_position(&self, shard: &ShardProgress) -> Result<(), StoreError> {
        let log = self.log.clone();
        let checkpoint = HeldCheckpoint::read(log, Epoch::UNCLAIMED, shard.clone()).await?;
        let resumption = checkpoint.resume(shard.query()).await?;
        checkpoint.mark_started(resumption.from);
        Ok(())
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Writes a checkpoint at the head, unless the subscription has one.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn begin_at_head(&self) -> Result<(), StoreError> {
        let info = self.progress.info();
        if has_checkpoint(&*info.views, &info.subscription).await? {
            return Ok(());
        }
        for shard in &*self.progress.shards() {
            let log = self.log.clone();
            let mut checkpoint = HeldCheckpoint::read(log, Epoch::UNCLAIMED, shard.clone()).await?;
            if checkpoint.position.is_some() {
                continue;
            }
            let head = self.log.head().await?;
            match checkpoint.commit_at(head).await {
                // Another process has written one in the meantime.
                Ok(()) | Err(ViewCommitError::Moved { .. }) => {}
                Err(ViewCommitError::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// The workers of a store without shards, which always work.
    pub(crate) fn workers(&self) -> Vec<Worker> {
        let shards = self.progress.shards();
        shards
            .iter()
            .map(|shard| self.worker(shard.clone(), ShardLease::unlimited()))
            .collect()
    }

    /// The worker of a shard, which works while it holds this lease.
    pub(super) fn worker(&self, shard: ShardProgress, lease: ShardLease) -> Worker {
        Worker::new(lease, shard, self.log.clone(), self.following.clone())
    }
}

/// The shards that this process has workers for: those that are stored, or a single one if there are none.
/// `None` if the subscription is divided in a way that this process does not know.
pub(super) fn shards_of(info: &SubscriptionInfo, stored: &[&ShardState]) -> Option<Vec<Slices>> {
    if stored.is_empty() {
        return Some(vec![Slices::ALL]);
    }
    let slices = stored.iter().map(|state| state.shard.slices);
    let mut states = stored.iter();
    states
        .all(|state| state.is_partitioned_by(info.stored_partition))
        .then(|| slices.collect())
}

/// Whether the subscription has a checkpoint, of whichever shard.
///
/// # Errors
/// When the store fails.
pub(super) async fn has_checkpoint(
    views: &dyn ViewStore,
    subscription: &str,
) -> Result<bool, StoreError> {
    let Some(shards) = views.view_capabilities().shards else {
        let whole = Shard::whole(subscription);
        return Ok(views.checkpoint(&whole).await?.is_some());
    };
    let stored = shards.shards(subscription.to_owned()).await?;
    Ok(stored.iter().any(|stored| stored.checkpoint.is_some()))
}
