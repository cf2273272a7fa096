use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::Inner;
use crate::store::EventLogExt;
use crate::subscription::{Progress, SubscriptionState};

/// Maximum time of a look at a projection. While somebody waits for a projection that another process
/// handles, its checkpoint is read again and again.
const LOOK_TIME: Duration = Duration::from_millis(250);

/// The pauses between two looks.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// Which projections have caught up with the log once since the start of the dispatcher.
pub(crate) struct CatchUp {
    /// By the place of the projection.
    are_complete: Box<[AtomicBool]>,
    /// Maximum number of positions that a projection may be behind the head.
    lag: u64,
}

impl CatchUp {
    pub(super) fn new(projections: usize, lag: u64) -> Self {
        Self {
            are_complete: (0..projections).map(|_| AtomicBool::new(false)).collect(),
            lag,
        }
    }

    /// Marks a projection as caught up.
    pub(super) fn complete(&self, place: usize) {
        self.are_complete[place].store(true, Ordering::Release);
    }

    /// The places of the projections that have not caught up.
    pub(super) fn missing(&self) -> impl Iterator<Item = usize> {
        let places = self.are_complete.iter().enumerate();
        places
            .filter(|(_, is_complete)| !is_complete.load(Ordering::Acquire))
            .map(|(place, _)| place)
    }
}

impl Inner {
    /// Waits until the projection at this place has caught up, and marks it. One that is paused or has
    /// stopped counts as caught up: for how long is up to an operator.
    pub(super) async fn catch_up(&self, place: usize) {
        let mut pause = MIN_PAUSE;
        // Before the first look, so that no change is missed in between.
        let versions = self.answering[place].as_ref();
        let mut changes = versions.map(|answering| answering.answering());
        loop {
            // The version that answers queries. Another one may, later.
            let answering = self.answering_progress(place, LOOK_TIME).await;
            if let Ok(progress) = answering
                && self.is_caught_up(&progress).await
            {
                break;
            }
            let other_answers = async {
                match &mut changes {
                    Some(changes) => {
                        // An error would mean that the sender is gone, but `self` has it.
                        let _ = changes.changed().await;
                    }
                    None => pending().await,
                }
            };
            pause = match timeout(pause, other_answers).await {
                Ok(()) => MIN_PAUSE,
                Err(_) => (pause * 2).min(MAX_PAUSE),
            };
        }
        self.catch_up.complete(place);
    }

    /// Without the head, nothing can be told.
    async fn is_caught_up(&self, progress: &Progress) -> bool {
        let Ok(head) = self.log.head().await else {
            return false;
        };
        match progress.wait_for(head, LOOK_TIME).await {
            // The log may have grown faster.
            Ok(_) => self.log.heads().position().since(head) <= self.catch_up.lag,
            Err(_) => matches!(
                progress.health().state,
                SubscriptionState::Paused { .. }
                    | SubscriptionState::Stopped { .. }
                    | SubscriptionState::Ended { .. }
            ),
        }
    }
}
