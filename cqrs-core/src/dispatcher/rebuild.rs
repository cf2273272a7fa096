use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Inner;
use super::answering::AnsweringVersion;
use super::subscriptions::Subscriptions;
use super::view_rebuild::{ViewRebuild, ViewsAgain};
use crate::error::{OperationError, RebuildProgress};
use crate::store::{Shard, StoreError};
use crate::subscription::{Build, Progress, SubscriptionState, unless};

/// Maximum time between two looks at the state of a projection that makes no progress.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A version of a projection that is being built, or whose views are built again. Created by
/// [`Subscriptions::rebuild`].
///
/// A version that has never been live is built by the workers of all processes, whether this is awaited or not.
/// The views of one that is live are built again by this process while it awaits [`next`](Self::next).
#[must_use = "the progress is told by `next`"]
pub struct Rebuild<'d> {
    inner: &'d Arc<Inner>,
    /// `None` once it is over.
    build: Option<RunningBuild<'d>>,
    told: Option<RebuildProgress>,
}

/// What is built.
enum RunningBuild<'d> {
    /// A version that has never been live.
    Version {
        answering: &'d AnsweringVersion,
        builds: watch::Receiver<Option<Build>>,
    },
    /// The views of a live one.
    Views(Box<ViewRebuild<'d>>),
}

impl<'d> Subscriptions<'d> {
    /// Builds this program's version of a projection, and tells how far it is.
    ///
    /// A version that has never been live is built by all processes that handle the projection, by shards if it
    /// is divided. This waits until it is complete. For a job before a deployment: the processes of the former
    /// version answer queries meanwhile, and so do those of the new one at once when they are started.
    ///
    /// The views of a live version are built again from the first event, beside those that queries see meanwhile,
    /// and replace them in one transaction, for all processes. For views that were damaged, or that were made by a
    /// fold which is repaired and said to be `unchanged`. They are built by the processes that call this, by shards
    /// if the projection is divided.
    ///
    /// In a process that was started before the version was live, the first call is for that build, also if it is
    /// complete by then, so that a job does not build a version twice. After that call, or after
    /// [`switch`](Self::switch), views are built again.
    ///
    /// After a crash, either goes on from its checkpoint.
    ///
    /// # Errors
    /// [`OperationError::WritesSql`] if the views of a version were to be built again that writes tables with
    /// SQL, which only another version builds beside them. [`OperationError::NotAProjection`] for a reaction, whose
    /// effects are never repeated.
    pub async fn rebuild(&self, name: &str) -> Result<Rebuild<'d>, OperationError> {
        let place = self.place(name)?;
        let versions = self.versioned(name)?;
        let build = match versions.answering {
            Some(answering) if !answering.is_built_before() => RunningBuild::Version {
                answering,
                builds: versions.progress.builds(),
            },
            _ => {
                let views = ViewRebuild::start(self, versions, place).await?;
                RunningBuild::Views(Box::new(views))
            }
        };
        Ok(Rebuild {
            inner: self.inner,
            build: Some(build),
            told: None,
        })
    }
}

impl Rebuild<'_> {
    /// Waits until there is progress, and tells how far the version is. `None` once it is live, or complete and
    /// [held](Subscriptions::hold). If there is no progress, the same is told again after a second.
    ///
    /// Dropping the future loses nothing, so it can be used in `select!`.
    ///
    /// # Errors
    /// [`OperationError::Paused`] and [`OperationError::Stopped`] if its events are not handled,
    /// [`OperationError::Incomplete`] if a version that was never live is complete but for the events of parked ids,
    /// and [`OperationError::ShutDown`] if the dispatcher is shut down before. Nothing is told after an error.
    pub async fn next(&mut self) -> Option<Result<RebuildProgress, OperationError>> {
        let build = self.build.as_mut()?;
        let work = async {
            match build {
                RunningBuild::Version { answering, builds } => {
                    next_of_version(answering.own(), builds, &mut self.told).await
                }
                RunningBuild::Views(views) => next_of_views(views, &mut self.told).await,
            }
        };
        let next = unless(self.inner.lifecycle.draining(), work).await;
        let told = match next.unwrap_or(Err(OperationError::ShutDown)) {
            Ok(Next::Progress(progress)) => return Some(Ok(progress)),
            Ok(Next::Last(progress)) => Some(Ok(progress)),
            Ok(Next::Over) => None,
            Err(error) => Some(Err(error)),
        };
        if let (Some(RunningBuild::Version { answering, .. }), None | Some(Ok(_))) =
            (&self.build, &told)
        {
            answering.mark_known_complete();
        }
        self.build = None;
        told
    }
}

/// What is told next.
enum Next {
    Progress(RebuildProgress),
    /// Nothing is told after it.
    Last(RebuildProgress),
    Over,
}

async fn next_of_version(
    own: &Progress,
    builds: &mut watch::Receiver<Option<Build>>,
    told: &mut Option<RebuildProgress>,
) -> Result<Next, OperationError> {
    loop {
        let build = *builds.borrow_and_update();
        let Some(Build {
            progress,
            is_held,
            parked,
        }) = build
        else {
            return Ok(Next::Over);
        };
        if let Some(error) = halted(own) {
            return Err(error);
        }
        // They may be released by now.
        let keys = if parked > 0 {
            count_parked(own).await?
        } else {
            0
        };
        if keys > 0 {
            let name = own.name();
            return Err(OperationError::Incomplete { name, keys });
        }
        let is_held = is_held && parked == 0;
        if *told != Some(progress) {
            let is_first = told.replace(progress).is_none();
            // Before the first look at the log, there is nothing to tell.
            match (is_first && progress == RebuildProgress::default(), is_held) {
                (false, false) => return Ok(Next::Progress(progress)),
                (false, true) => return Ok(Next::Last(progress)),
                (true, true) => return Ok(Next::Over),
                (true, false) => {}
            }
        } else if is_held {
            return Ok(Next::Over);
        }
        if timeout(LOOK_INTERVAL, builds.changed()).await.is_err() {
            return Ok(Next::Progress(progress));
        }
    }
}

async fn next_of_views(
    views: &mut ViewRebuild<'_>,
    told: &mut Option<RebuildProgress>,
) -> Result<Next, OperationError> {
    let started = Instant::now();
    loop {
        match views.look().await? {
            ViewsAgain::Replaced => return Ok(Next::Over),
            ViewsAgain::Building(progress) => {
                if *told != Some(progress) || started.elapsed() >= LOOK_INTERVAL {
                    *told = Some(progress);
                    return Ok(Next::Progress(progress));
                }
            }
        }
    }
}

/// The number of ids that are parked, and not released.
async fn count_parked(progress: &Progress) -> Result<u64, StoreError> {
    let Some(shards) = progress.views().view_capabilities().shards else {
        return Ok(0);
    };
    let stored = shards.parked(Shard::whole(progress.subscription())).await?;
    Ok(stored.iter().filter(|key| !key.is_released).count() as u64)
}

/// The error of a version whose events are not handled.
fn halted(progress: &Progress) -> Option<OperationError> {
    let name = progress.name();
    match progress.health().state {
        SubscriptionState::Paused { reason, .. } => Some(OperationError::Paused { name, reason }),
        SubscriptionState::Stopped { error, .. } => Some(OperationError::Stopped { name, error }),
        SubscriptionState::Outdated {
            error,
            is_handled: Some(false),
        } => Some(OperationError::Outdated { name, error }),
        _ => None,
    }
}
