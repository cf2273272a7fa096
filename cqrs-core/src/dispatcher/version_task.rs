use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Dispatcher;
use super::answering::{Answering, AnsweringVersion, EarlierVersion};
use super::builder::run_worker;
use crate::error::RebuildProgress;
use crate::store::{
    EventLogExt, ParkedKey, Position, ProjectionVersion, Shard, StoreError, VersionChange,
    VersionStep, VersionStore,
};
use crate::subscription::{self, Build, Coordinator, ObservingFollower, Tasks, unless};

/// The pauses between two looks at the stored versions.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The same, of a version that waits for an operator.
const HELD_PAUSE: Duration = Duration::from_secs(3);

/// Maximum time of a look at a version that is nearly complete. Another process may build it, whose
/// checkpoint is then read again and again.
const LOOK_TIME: Duration = Duration::from_millis(250);

/// Number of positions from the head at which a version is looked at.
pub(super) const NEARLY_COMPLETE: u64 = 10_000;

/// Follows the stored versions of a projection, and makes the program's version the live one when it has
/// caught up, until that answers the queries of this process.
pub(super) struct VersionTask {
    dispatcher: Dispatcher,
    answering: Arc<AnsweringVersion>,
    rate: Rate,
    /// Where observers are started.
    tasks: Weak<Tasks>,
}

impl VersionTask {
    pub(super) fn new(
        dispatcher: Dispatcher,
        answering: Arc<AnsweringVersion>,
        tasks: &Arc<Tasks>,
    ) -> Self {
        Self {
            dispatcher,
            answering,
            rate: Rate::default(),
            tasks: Arc::downgrade(tasks),
        }
    }

    /// Runs until the program's version answers, or a shutdown begins.
    pub(super) async fn run(mut self) {
        let inner = self.dispatcher.inner.clone();
        let _ = unless(inner.lifecycle.draining(), self.follow()).await;
    }

    async fn follow(&mut self) {
        let mut pause = MIN_PAUSE;
        while !self.answering.is_settled() {
            // A failed look is repeated.
            let _ = self.look().await;
            let is_held = self.answering.own().build().is_some_and(|it| it.is_held);
            let max_pause = if is_held { HELD_PAUSE } else { pause };
            let woken = timeout(max_pause, self.answering.woken()).await;
            pause = match woken {
                Ok(()) => MIN_PAUSE,
                Err(_) => (pause * 2).min(MAX_PAUSE),
            };
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let views = self.answering.own().views().clone();
        let capabilities = views.view_capabilities();
        let Some(store) = capabilities.versions else {
            return Ok(());
        };
        let name = self.answering.own().stored_name();
        let versions = store.versions(name.to_owned()).await?;
        self.answer_from(&versions).await?;
        if self.measure(&versions).await? && !capabilities.read_only {
            self.switch(store).await?;
        }
        Ok(())
    }

    /// Has the version answer that these stored ones are about.
    pub(super) async fn answer_from(
        &self,
        versions: &[ProjectionVersion],
    ) -> Result<(), StoreError> {
        let answering = &self.answering;
        let mut all = versions.iter();
        let own = all.find(|it| it.version == answering.version());
        if versions.is_empty() || own.is_some_and(|own| own.was_live) {
            answering.answer_from(Answering::Own);
            answering.own().mark_build(None);
            return Ok(());
        }
        let Some(live) = versions.iter().find(|it| it.is_live) else {
            return Ok(());
        };
        let is_known = match &*answering.answering().borrow() {
            Answering::Earlier(earlier) => earlier.version == live.version,
            Answering::Own => true,
            Answering::None => false,
        };
        if !is_known {
            let found = match self.observe(live).await? {
                Some(earlier) => Answering::Earlier(Arc::new(earlier)),
                None => Answering::None,
            };
            answering.answer_from(found);
        }
        Ok(())
    }

    /// Notes how far the program's version is. Returns whether it is complete, and may become live.
    async fn measure(&mut self, versions: &[ProjectionVersion]) -> Result<bool, StoreError> {
        if self.answering.is_settled() {
            return Ok(false);
        }
        let progress = self.answering.own();
        let log = &self.dispatcher.inner.log;
        let head = log.head().await?;
        let is_at_head = head.since(progress.position()) <= NEARLY_COMPLETE
            && progress.wait_for(head, LOOK_TIME).await.is_ok();
        let position = progress.position();
        let head = log.heads().position().max(head);
        let mut all = versions.iter();
        let own = all.find(|it| it.version == self.answering.version());
        // Its views lack the events of parked ids, which those of the live version may have. Those of released ids
        // are about to be handled.
        let keys = if is_at_head {
            self.parked().await?
        } else {
            Vec::new()
        };
        let is_complete = is_at_head && !keys.iter().any(|key| key.is_released);
        let parked = if is_complete { keys.len() as u64 } else { 0 };
        let is_held = parked > 0 || own.is_some_and(|it| it.is_held);
        progress.mark_build(Some(Build {
            progress: RebuildProgress::new(position, head, self.rate.at(position)),
            is_held: is_held && is_complete,
            parked,
        }));
        Ok(is_complete && !is_held && own.is_some())
    }

    /// The parked ids of the program's version, as stored.
    async fn parked(&self) -> Result<Vec<ParkedKey>, StoreError> {
        let progress = self.answering.own();
        let shards = progress.views().view_capabilities().shards;
        match shards.filter(|_| progress.partition().is_some()) {
            Some(shards) if !progress.has_none_parked() => {
                shards.parked(Shard::whole(progress.subscription())).await
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Makes the program's version the live one.
    async fn switch(&self, store: &dyn VersionStore) -> Result<(), StoreError> {
        let change = VersionChange {
            projection: self.answering.own().stored_name().to_owned(),
            version: self.answering.version(),
            step: VersionStep::Switch { by_hand: false },
        };
        let versions = store.change_versions(change).await?;
        self.answer_from(&versions).await
    }

    /// Observes a live version. `None` if it can answer no query of this program.
    async fn observe(
        &self,
        live: &ProjectionVersion,
    ) -> Result<Option<EarlierVersion>, StoreError> {
        let schemas = self.answering.schemas_of(live);
        let Ok(partitions) = self.answering.partition_of(live) else {
            return Ok(None);
        };
        let Some(tasks) = self.tasks.upgrade().filter(|_| !schemas.is_empty()) else {
            return Ok(None);
        };
        let inner = &self.dispatcher.inner;
        let own = self.answering.own();
        let mut coordinator = Coordinator::observing(own.views().clone(), inner.limits.lease);
        let crew =
            subscription::earlier_version(own, live, partitions, &inner.log, &coordinator).await?;
        let progress = crew.progress().clone();
        let run = run_worker(&self.dispatcher, own.name(), || Box::new(ObservingFollower));
        coordinator.add(crew, run, &tasks);
        let (observed, phases) = (progress.clone(), inner.lifecycle.watch());
        tasks.spawn(async move {
            let _ = unless(observed.ended(), coordinator.run(phases, pending())).await;
        });
        Ok(Some(EarlierVersion::new(live.version, progress, schemas)))
    }
}

/// The rate of positions, of the last few seconds.
#[derive(Default)]
pub(super) struct Rate(VecDeque<(Instant, Position)>);

impl Rate {
    /// Time that the rate is of.
    const WINDOW: Duration = Duration::from_secs(10);

    /// A rate from this position and from now on.
    pub(super) fn from(position: Position) -> Self {
        Self([(Instant::now(), position)].into())
    }

    /// The rate per second, with this position now. `None` at the first one, before which nothing is known.
    pub(super) fn at(&mut self, position: Position) -> Option<u64> {
        let now = Instant::now();
        self.0.push_back((now, position));
        while self.0.len() > 2 && now - self.0[0].0 > Self::WINDOW {
            self.0.pop_front();
        }
        let (then, before) = self.0.front()?;
        let millis = u64::try_from((now - *then).as_millis()).unwrap_or(u64::MAX);
        let moved = position.since(*before);
        moved.saturating_mul(1000).checked_div(millis)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_seconds() {
        let at = Position::new;
        let mut rate = Rate::default();
        assert_eq!(rate.at(at(900)), None, "where it was before is not known");
        assert_eq!(rate.at(at(900)), None, "nor at the same moment");
        advance(Duration::from_millis(20)).await;
        assert_eq!(rate.at(at(910)), Some(500));
        advance(Duration::from_secs(20)).await;
        assert_eq!(rate.at(at(910)), Some(0), "it stands still");

        let mut rate = Rate::from(at(0));
        advance(Duration::from_millis(20)).await;
        assert_eq!(rate.at(at(30)), Some(1500), "of a short build, too");
    }
}
