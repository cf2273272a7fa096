use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::subscriptions::Subscriptions;
use crate::error::{OperationError, RebuildProgress};
use crate::subscription::{Build, Progress, SubscriptionState};

/// Maximum time between two looks at the state of a projection that makes no progress.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A version of a projection that is being built. Created by [`Subscriptions::rebuild`].
///
/// It is built by the workers of all processes, whether this is awaited or not.
#[must_use = "the progress is told by `next`"]
pub struct Rebuild<'d> {
    progress: &'d Progress,
    builds: watch::Receiver<Option<Build>>,
    told: Option<RebuildProgress>,
    is_over: bool,
}

impl<'d> Subscriptions<'d> {
    /// Waits until this program's version of a projection is complete, and tells how far it is. The
    /// projection is built by all processes that handle it, by shards if it is divided. After a crash, it
    /// goes on from its checkpoint. For a job before a deployment: the processes of the former version
    /// answer queries meanwhile, and so do those of the new one at once when they are started.
    ///
    /// # Errors
    /// [`OperationError::AlreadyLive`] if the version has been live: raise it. [`OperationError::NotAProjection`]
    /// for a reaction, whose effects are never repeated.
    pub async fn rebuild(&self, name: &str) -> Result<Rebuild<'d>, OperationError> {
        let versions = self.versioned(name)?;
        let builds = versions.progress.builds();
        let stored = versions.read().await?;
        if versions.own(&stored)?.was_live && versions.progress.build().is_none() {
            return Err(versions.already_live());
        }
        Ok(Rebuild {
            progress: versions.progress,
            builds,
            told: None,
            is_over: false,
        })
    }
}

impl Rebuild<'_> {
    /// Waits until the version has made progress, and tells how far it is. `None` once it is live, or
    /// complete and [held](Subscriptions::hold). If it makes no progress, the same is told again after a
    /// second.
    ///
    /// Dropping the future loses nothing, so it can be used in `select!`.
    ///
    /// # Errors
    /// [`OperationError::Paused`] and [`OperationError::Stopped`] if its events are not handled, and
    /// [`OperationError::Incomplete`] if it is complete but for the events of parked ids.
    pub async fn next(&mut self) -> Option<Result<RebuildProgress, OperationError>> {
        if self.is_over {
            return None;
        }
        loop {
            let build = *self.builds.borrow_and_update();
            let Some(Build {
                progress,
                is_held,
                parked,
            }) = build
            else {
                self.is_over = true;
                return None;
            };
            if let Some(error) = self.halted(parked) {
                self.is_over = true;
                return Some(Err(error));
            }
            let is_first = self.told.is_none();
            if self.told != Some(progress) {
                self.told = Some(progress);
                self.is_over = is_held;
                // Before the first look at the log, there is nothing to tell.
                if !is_first || progress != RebuildProgress::default() {
                    return Some(Ok(progress));
                }
            } else if is_held {
                self.is_over = true;
                return None;
            }
            if timeout(LOOK_INTERVAL, self.builds.changed()).await.is_err() {
                return Some(Ok(progress));
            }
        }
    }

    /// The error of a version whose events are not handled, or not all of them.
    fn halted(&self, parked: u64) -> Option<OperationError> {
        let name = self.progress.name();
        if parked > 0 {
            let keys = parked;
            return Some(OperationError::Incomplete { name, keys });
        }
        match self.progress.health().state {
            SubscriptionState::Paused { reason, .. } => {
                Some(OperationError::Paused { name, reason })
            }
            SubscriptionState::Stopped { error, .. } => {
                Some(OperationError::Stopped { name, error })
            }
            _ => None,
        }
    }
}
