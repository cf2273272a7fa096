use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::worker::{ENDED, SHUT_DOWN, unless};
use super::{Phase, Progress, SubscriptionKind};
use crate::store::{Checkpoint, Shard, StoreError, ViewStore};
use crate::wiring::PlannedProjection;

/// Interval between two reads of the checkpoint.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Follows the checkpoint of a projection that another process runs, in a view store that is
/// read-only for this process.
pub(crate) struct Observer {
    shard: Shard,
    progress: Progress,
    views: Arc<dyn ViewStore>,
}

impl Observer {
    pub(crate) fn new(plan: &PlannedProjection, views: Arc<dyn ViewStore>) -> Self {
        let shard = Shard::whole(super::checkpoint_of(plan.entry));
        let progress = Progress::new(
            (plan.entry.name, SubscriptionKind::Projection),
            (shard.clone(), super::events_of(plan)),
            views.clone(),
            Arc::default(),
        );
        Self {
            shard,
            progress,
            views,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Runs until the dispatcher is shut down or the task is aborted.
    pub(crate) async fn run(self, mut phases: watch::Receiver<Phase>) {
        let shut_down = async {
            // An error would mean that the sender is gone, but the dispatcher has it.
            let _ = phases.wait_for(|phase| *phase != Phase::Running).await;
        };
        if unless(shut_down, self.observe()).await.is_none() {
            self.progress.mark_ended(SHUT_DOWN);
        }
    }

    async fn observe(&self) -> Infallible {
        let mut attempts = 0;
        loop {
            // Before the checkpoint, which may be read from data that replace the known ones.
            let incarnation = self.views.view_incarnation();
            match self.look().await {
                Ok(checkpoint) => {
                    attempts = 0;
                    let position = checkpoint.unwrap_or_default().position;
                    self.progress.mark_reached(position, position, incarnation);
                }
                Err(error) => {
                    attempts += 1;
                    self.progress.mark_failing(attempts, error.to_string());
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The checkpoint. Reports a halt.
    async fn look(&self) -> Result<Option<Checkpoint>, StoreError> {
        let Some(shards) = self.views.view_capabilities().shards else {
            return self.views.checkpoint(&self.shard).await;
        };
        let all = shards.shards(self.shard.subscription.clone()).await?;
        let stored = all.into_iter().find(|stored| stored.shard == self.shard);
        let halt = stored.as_ref().and_then(|stored| stored.halt.as_ref());
        self.progress.mark_halted(halt);
        Ok(stored.and_then(|stored| stored.checkpoint))
    }
}

/// Reports the end of the observer, however its task ends.
impl Drop for Observer {
    fn drop(&mut self) {
        self.progress.mark_ended(ENDED);
    }
}
