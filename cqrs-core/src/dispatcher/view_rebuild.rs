use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Inner;
use super::stored_shards::{reached, stopped};
use super::subscriptions::Subscriptions;
use super::version_task::{NEARLY_COMPLETE, Rate};
use super::versions::StoredVersions;
use crate::error::{OperationError, RebuildProgress};
use crate::handler::rebuilt_table_of;
use crate::store::{
    Attendance, Division, EventLogExt, ModelSchema, Position, Replacement, ShardState, ShardStore,
    Slices, StoreError, WorkerId,
};
use crate::subscription::{
    self, Coordinator, Following, Progress, RunWorker, Tasks, rebuilt_subscription,
};
use crate::wiring::{Models, PlannedModel, PlannedProjection};

/// Maximum time of a look at how far the views are.
const LOOK_TIME: Duration = Duration::from_millis(250);

/// Pause after which complete views are looked at again, because those that queries see were further.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Number of lost races to the head after which the version is to stand still.
const MAX_LOST_RACES: u32 = 16;

/// Time for which the version stands still at most: the first time, and twice as long each time after it.
const FIRST_STANDSTILL: Duration = Duration::from_millis(500);

/// The views of a live version that are built again beside it, by a subscription of its own and into tables of
/// its own, and then put in their place.
///
/// The workers of this process build them until this is dropped. Another process goes on where they were, also
/// at the same time.
pub(super) struct ViewRebuild<'d> {
    inner: &'d Arc<Inner>,
    versions: StoredVersions<'d>,
    progress: Progress,
    /// Without the positions.
    replacement: Replacement,
    rate: Rate,
    /// The position that the stored shards had reached.
    furthest: Position,
    /// Those of the tables that are built.
    schemas: Vec<ModelSchema>,
    /// Number of looks at views that were nearly complete, and further than at the look before.
    lost_races: u32,
    /// How far they were at the last look.
    seen: Position,
    standstill: Standstill,
    /// Ends the workers on drop.
    _tasks: Arc<Tasks>,
}

/// An owner of the shards of a version that handles no event, so that the version is no further when its views
/// are. Like the lease of any owner, it ends by itself.
struct Standstill {
    worker: WorkerId,
    /// The time of the next one.
    lease: Duration,
    until: Option<Instant>,
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
    /// [`OperationError::AlreadyLive`] for a projection that writes with SQL: its tables are not known.
    pub(super) async fn start(
        subscriptions: &Subscriptions<'d>,
        versions: StoredVersions<'d>,
        place: usize,
    ) -> Result<Self, OperationError> {
        let inner = subscriptions.inner;
        let projection = PlannedProjection::new(inner.projections[place]);
        if projection.takes_transaction() || projection.setup.is_some() {
            return Err(versions.already_live());
        }
        let own = versions.progress;
        let (name, views) = (own.name(), own.views());
        let code = projection.blueprint().fingerprint();
        let mut models = Models::new();
        let mut replacement = Replacement {
            subscription: own.subscription().to_owned(),
            rebuilt: rebuilt_subscription(name, versions.version, code),
            models: Vec::new(),
            reached: BTreeMap::new(),
        };
        for model in projection.models() {
            let present = model.schema(name, versions.version);
            let rebuilt = ModelSchema {
                table: rebuilt_table_of(name, versions.version, model.name, code),
                ..present.clone()
            };
            replacement.models.push((present, rebuilt.table.clone()));
            let schema = Arc::new(rebuilt);
            models.insert(
                model.id,
                PlannedModel {
                    projection: place,
                    schema,
                },
            );
        }
        let not_offered = || OperationError::NotOffered { name };
        let shards = views.view_capabilities().shards.ok_or_else(not_offered)?;
        // They could not be compared with shards by another tag.
        let stored = subscriptions.named(name)?;
        stored.read().await?;
        let mut coordinator =
            Coordinator::new(views.clone(), inner.limits.lease).ok_or_else(not_offered)?;
        let planned = models.values();
        let schemas: Vec<_> = planned
            .map(|model| ModelSchema::clone(&model.schema))
            .collect();
        views.prepare(schemas.clone()).await?;
        divide_as(shards, &replacement, own.partition()).await?;
        let begun = shards.shards(replacement.rebuilt.clone()).await?;
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
            progress,
            replacement,
            rate: Rate::default(),
            furthest: least(&begun),
            schemas,
            lost_races: 0,
            seen: Position::START,
            standstill: Standstill {
                worker: WorkerId::new(),
                lease: FIRST_STANDSTILL,
                until: None,
            },
            _tasks: tasks,
        })
    }

    /// Looks how far they are, and puts them in the place of the former ones when they are complete.
    pub(super) async fn look(&mut self) -> Result<ViewsAgain, OperationError> {
        let head = self.inner.log.head().await?;
        let is_at_head = self.progress.wait_for(head, LOOK_TIME).await.is_ok();
        let rebuilt = self.shards(&self.replacement.rebuilt).await?;
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
        if let Some(error) = rebuilt.iter().find_map(stopped) {
            return Err(OperationError::Stopped {
                name: self.progress.name(),
                error: error.to_owned(),
            });
        }
        if is_at_head || self.standstill.lasts() {
            if self.replace(&rebuilt, head).await? {
                return self.replaced().await;
            }
            sleep(RETRY_PAUSE).await;
        }
        self.race(head).await?;
        let position = self.progress.position();
        let rate = self.rate.at(position);
        let head = self.inner.log.heads().position().max(head);
        Ok(ViewsAgain::Building(RebuildProgress::new(
            position, head, rate,
        )))
    }

    /// Has this process claim the shards of the version, as they are stored now.
    async fn replaced(&self) -> Result<ViewsAgain, OperationError> {
        if self.standstill.until.is_some() {
            let shards = self.progress.views().view_capabilities().shards;
            if let Some(shards) = shards {
                shards.leave(self.standstill.worker).await?;
            }
        }
        self.versions.progress.doubt();
        Ok(ViewsAgain::Replaced)
    }

    /// Puts the views in the place of the former ones, if they are not behind these.
    async fn replace(
        &mut self,
        rebuilt: &[ShardState],
        head: Position,
    ) -> Result<bool, OperationError> {
        let progress = &self.progress;
        let Some(shards) = progress.views().view_capabilities().shards else {
            return Ok(false);
        };
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
        let to = reached((&*self.inner.log, shards), events, &states, head).await?;
        let of_shards = rebuilt.iter().zip(to);
        self.replacement.reached = of_shards
            .map(|(state, to)| (state.shard.clone(), (state.position(), to)))
            .collect();
        // Without locks first, which others would wait for.
        let present = self.shards(&self.replacement.subscription).await?;
        if self.replacement.apply(&present, rebuilt).is_some() {
            // Those of an operator's division of the version.
            if divide_as(shards, &self.replacement, progress.partition()).await? {
                progress.doubt();
                return Ok(false);
            }
            let replacement = self.replacement.clone();
            return Ok(self.versions.store.replace_views(replacement).await?);
        }
        Ok(false)
    }

    /// Counts the races to the head of the log that were lost. When it is enough, the version stands still, so that
    /// its views are not ahead for ever. Views that do not get further, because an event fails, do not race.
    async fn race(&mut self, head: Position) -> Result<(), OperationError> {
        let position = self.progress.position();
        let is_racing = position > self.seen && head.since(position) <= NEARLY_COMPLETE;
        self.seen = position;
        if !is_racing || self.standstill.lasts() {
            return Ok(());
        }
        self.lost_races += 1;
        if self.lost_races.is_multiple_of(MAX_LOST_RACES)
            && let Some(shards) = self.progress.views().view_capabilities().shards
        {
            let subscription = self.replacement.subscription.clone();
            self.standstill.begin(shards, subscription).await?;
        }
        Ok(())
    }

    async fn shards(&self, subscription: &str) -> Result<Vec<ShardState>, OperationError> {
        match self.progress.views().view_capabilities().shards {
            Some(shards) => Ok(shards.shards(subscription.to_owned()).await?),
            None => Ok(Vec::new()),
        }
    }
}

impl Standstill {
    /// Whether it was begun, and is not over.
    fn lasts(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Takes all shards from their owners, unless they are halted.
    async fn begin(
        &mut self,
        shards: &dyn ShardStore,
        subscription: String,
    ) -> Result<(), StoreError> {
        let until = Instant::now() + self.lease;
        let attendance = Attendance {
            worker: self.worker,
            subscriptions: vec![subscription.clone()],
            lease: self.lease,
        };
        shards.attend(attendance).await?;
        if shards.seize(self.worker, subscription).await? {
            self.until = Some(until);
            self.lease *= 2;
            return Ok(());
        }
        shards.leave(self.worker).await
    }
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
