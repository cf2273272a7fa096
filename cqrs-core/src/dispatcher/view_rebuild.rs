use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Inner;
use super::head_race::HeadRace;
use super::stored_shards::{reached, stopped};
use super::subscriptions::Subscriptions;
use super::version_task::Rate;
use super::versions::StoredVersions;
use crate::error::{OperationError, RebuildProgress};
use crate::handler::rebuilt_table_of;
use crate::store::{
    Division, EventLogExt, ModelSchema, Position, Replacement, ReplacementOutcome, ShardState,
    ShardStore, Slices, StoreError,
};
use crate::subscription::{
    self, Coordinator, Following, Progress, RunWorker, Tasks, rebuilt_subscription,
};
use crate::wiring::{Models, PlannedModel, PlannedProjection};

/// Maximum time of a look at how far the views are.
const LOOK_TIME: Duration = Duration::from_millis(250);

/// Pause after an attempt to replace tables that are in use: the first time, and twice as long each time after it, up to
/// the maximum. Queries wait during an attempt to lock the tables.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The views of a live version that are built again beside it, by a subscription of its own and into tables of
/// its own, and then put in their place.
///
/// The workers of this process build them until this is dropped. Another process goes on where they were, also
/// at the same time.
pub(super) struct ViewRebuild<'d> {
    inner: &'d Arc<Inner>,
    versions: StoredVersions<'d>,
    shards: &'d dyn ShardStore,
    progress: Progress,
    /// Without the positions.
    replacement: Replacement,
    rate: Rate,
    /// The position that the stored shards had reached.
    furthest: Position,
    /// Those of the tables that are built.
    schemas: Vec<ModelSchema>,
    race: HeadRace,
    attempts: AttemptTimes,
    /// Ends the workers on drop.
    _tasks: Arc<Tasks>,
}

/// The attempts to put the views in the place of the former ones.
struct AttemptTimes {
    /// Time of the next one.
    next: Instant,
    /// Pause after it, if the tables are in use.
    pause: Duration,
}

/// The state of the views that are built again.
pub(super) enum ViewsAgain {
    /// They are this far.
    Building(RebuildProgress),
    /// They are in the place of the former ones.
    Replaced,
}

impl<'d> ViewRebuild<'d> {
    /// Starts the workers.
    ///
    /// # Errors
    /// [`OperationError::WritesSql`] for a projection that writes with SQL: its tables are not known.
    pub(super) async fn start(
        subscriptions: &Subscriptions<'d>,
        versions: StoredVersions<'d>,
        place: usize,
    ) -> Result<Self, OperationError> {
        let inner = subscriptions.inner;
        let mut projection = PlannedProjection::new(inner.projections[place]);
        projection.read_by(&inner.conversions.tags, &inner.upcasters);
        if projection.takes_transaction() || projection.setup.is_some() {
            return Err(OperationError::WritesSql {
                name: versions.progress.name(),
                version: versions.version,
            });
        }
        let own = versions.progress;
        let (name, views) = (own.name(), own.views());
        let not_offered = || OperationError::NotOffered { name };
        let shards = views.view_capabilities().shards.ok_or_else(not_offered)?;
        // They could not be compared with shards by another tag.
        let stored = subscriptions.named(name)?;
        stored.read().await?;
        let mut coordinator =
            Coordinator::new(views.clone(), inner.limits.lease).ok_or_else(not_offered)?;
        let (replacement, models) = plan(&versions, &projection, place);
        let planned = models.values();
        let schemas: Vec<_> = planned
            .map(|model| ModelSchema::clone(&model.schema))
            .collect();
        views.prepare(schemas.clone()).await?;
        divide_as(shards, &replacement, own.stored_partition()).await?;
        let begun = shards.shards(replacement.rebuilt.clone()).await?;
        // The event at which an earlier one has stopped is tried again: what it failed with may be repaired.
        for state in begun.iter().filter(|state| state.halt.is_some()) {
            shards.resume(state.shard.clone(), false).await?;
        }
        let furthest = least(&begun);
        let following = Following::new(inner.limits.retry_for, inner.limits.stuck_after);
        let (crew, folds) = subscription::rebuilt(
            &projection,
            (replacement.rebuilt.clone(), &models),
            &inner.log,
            views,
            &coordinator,
            &following,
        )
        .await?;
        let progress = crew.progress().clone();
        let tasks = Arc::new(Tasks::default());
        let shared = inner.clone();
        // They end when nobody waits for them any more, so their end is not noted.
        let run: RunWorker = Box::new(move |worker| {
            let phases = shared.lifecycle.watch();
            Box::pin(worker.run(folds.follower(), phases))
        });
        coordinator.add(crew, run, &tasks);
        tasks.spawn_coordinator(coordinator.run(inner.lifecycle.watch(), tasks.gone()));
        Ok(Self {
            inner,
            versions,
            shards,
            progress,
            replacement,
            rate: Rate::from(furthest),
            furthest,
            schemas,
            race: HeadRace::new(),
            attempts: AttemptTimes {
                next: Instant::now(),
                pause: FIRST_PAUSE,
            },
            _tasks: tasks,
        })
    }

    /// Looks how far they are, and puts them in the place of the former ones when they are complete.
    pub(super) async fn look(&mut self) -> Result<ViewsAgain, OperationError> {
        let head = self.inner.log.head().await?;
        let is_at_head = self.progress.wait_for(head, LOOK_TIME).await.is_ok();
        // Before they are read, so that no move is missed in between.
        let moves = self.progress.moves();
        let rebuilt = self.stored(&self.replacement.rebuilt).await?;
        let stored = least(&rebuilt);
        // There is nothing to fold, or another process was faster.
        if head == Position::START || stored < self.furthest {
            return self.replaced().await;
        }
        self.furthest = stored;
        if stored == Position::START {
            // Another process may have put the tables in the place of others since they were prepared.
            let views = self.progress.views();
            views.prepare(self.schemas.clone()).await?;
        }
        if let Some(error) = self.progress.outdated() {
            let name = self.progress.name();
            return Err(OperationError::Outdated { name, error });
        }
        if let Some(error) = rebuilt.iter().find_map(stopped) {
            return Err(OperationError::Stopped {
                name: self.progress.name(),
                error: error.to_owned(),
            });
        }
        let pause = self.attempts.next.duration_since(Instant::now());
        if pause > Duration::ZERO {
            sleep(pause.min(LOOK_TIME)).await;
        } else {
            if is_at_head || self.race.is_held() {
                match self.replace(&rebuilt, head).await? {
                    ReplacementOutcome::Replaced => return self.replaced().await,
                    ReplacementOutcome::InUse => self.postpone().await?,
                    // Those of the version are further.
                    ReplacementOutcome::Refused => {
                        let _ = timeout(LOOK_TIME, self.progress.moved_since(moves)).await;
                    }
                }
            }
            let at = (self.progress.position(), head);
            let subscription = &self.replacement.subscription;
            self.race.lost(at, self.shards, subscription).await?;
        }
        let position = self.progress.position();
        let rate = self.rate.at(position);
        let head = self.inner.log.heads().position().max(head);
        Ok(ViewsAgain::Building(RebuildProgress::new(
            position, head, rate,
        )))
    }

    /// Has this process claim the shards of the version, as they are stored now.
    async fn replaced(&mut self) -> Result<ViewsAgain, OperationError> {
        self.race.end(self.shards).await?;
        self.versions.progress.doubt();
        Ok(ViewsAgain::Replaced)
    }

    /// Waits for those who use the tables. The version need not stand still meanwhile.
    async fn postpone(&mut self) -> Result<(), OperationError> {
        self.attempts.next = Instant::now() + self.attempts.pause;
        self.attempts.pause = MAX_PAUSE.min(self.attempts.pause * 2);
        if self.race.end(self.shards).await? {
            self.versions.progress.doubt();
        }
        Ok(())
    }

    /// Puts the views in the place of the former ones, if they are not behind these.
    async fn replace(
        &mut self,
        rebuilt: &[ShardState],
        head: Position,
    ) -> Result<ReplacementOutcome, OperationError> {
        let progress = &self.progress;
        let known = &self.replacement.reached;
        let states: Vec<_> = rebuilt
            .iter()
            .map(|state| {
                let from = state.position();
                let known = known.get(&state.shard).filter(|(it, _)| *it == from);
                (state, known.map_or(from, |(_, to)| *to))
            })
            .collect();
        let events = (progress.query(), progress.partition());
        let to = reached((&*self.inner.log, self.shards), events, &states, head).await?;
        let of_shards = rebuilt.iter().zip(to);
        self.replacement.reached = of_shards
            .map(|(state, to)| (state.shard.clone(), (state.position(), to)))
            .collect();
        // Without locks first, which others would wait for.
        let present = self.stored(&self.replacement.subscription).await?;
        if self.replacement.apply(&present, rebuilt).is_none() {
            return Ok(ReplacementOutcome::Refused);
        }
        // Those of an operator's division of the version.
        if divide_as(self.shards, &self.replacement, progress.stored_partition()).await? {
            progress.doubt();
            return Ok(ReplacementOutcome::Refused);
        }
        let replacement = self.replacement.clone();
        Ok(self.versions.store.replace_views(replacement).await?)
    }

    async fn stored(&self, subscription: &str) -> Result<Vec<ShardState>, StoreError> {
        self.shards.shards(subscription.to_owned()).await
    }
}

/// The replacement of the views of a version, and the read models that are built for it.
fn plan(
    versions: &StoredVersions<'_>,
    projection: &PlannedProjection,
    place: usize,
) -> (Replacement, Models) {
    let (name, version) = (versions.progress.stored_name(), versions.version);
    let code = projection.blueprint().fingerprint();
    let mut models = Models::new();
    let mut replacement = Replacement {
        subscription: versions.progress.subscription().to_owned(),
        rebuilt: rebuilt_subscription(name, version, code),
        models: Vec::new(),
        reached: BTreeMap::new(),
    };
    for model in projection.models() {
        let present = model.schema(name, version);
        let rebuilt = ModelSchema {
            table: rebuilt_table_of(name, version, model.name, code),
            ..present.clone()
        };
        replacement.models.push((present, rebuilt.table.clone()));
        let planned = PlannedModel {
            projection: place,
            schema: Arc::new(rebuilt),
        };
        models.insert(model.id, planned);
    }
    (replacement, models)
}

/// The position up to which all of these are handled.
fn least(states: &[ShardState]) -> Position {
    let positions = states.iter().map(ShardState::position);
    positions.min().unwrap_or_default()
}

/// Divides the subscription that builds views again as that of the version is. Returns whether that makes a
/// difference.
async fn divide_as(
    shards: &dyn ShardStore,
    replacement: &Replacement,
    partition: Option<&'static str>,
) -> Result<bool, OperationError> {
    let Some(partition) = partition else {
        return Ok(false);
    };
    let present = slices(shards, &replacement.subscription).await?;
    if slices(shards, &replacement.rebuilt).await? == present {
        return Ok(false);
    }
    let Some(division) = Division::new(&*replacement.rebuilt, partition, present) else {
        return Ok(false);
    };
    // If another process was faster, it has divided it.
    shards.divide(division).await?;
    Ok(true)
}

/// The slices of the shards of a subscription.
async fn slices(shards: &dyn ShardStore, subscription: &str) -> Result<Vec<Slices>, StoreError> {
    let states = shards.shards(subscription.to_owned()).await?;
    if states.is_empty() {
        return Ok(vec![Slices::ALL]);
    }
    Ok(states.iter().map(|state| state.shard.slices).collect())
}
