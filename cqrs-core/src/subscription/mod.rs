//! Projections and reactions follow the log: a worker delivers the events of a subscription to its
//! follower, a projection or a reaction, and keeps the checkpoint.

mod assignment;
mod backoff;
mod checkpoint;
mod coordinator;
mod crew;
mod follower;
mod health;
mod info;
mod lease;
mod likely_keys;
mod observing_follower;
mod outdated;
mod parking;
mod partition;
mod pending_event;
mod phase;
mod progress;
mod projection;
mod released;
mod selection;
mod shard_progress;
mod sql_projection;
mod standby;
mod tasks;
mod upkeep;
mod view_folds;
mod view_owners;
mod view_projection;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

pub use health::{
    ShardHealth, SubscriptionHealth, SubscriptionKind, SubscriptionState, VersionHealth,
};

pub(crate) use backoff::Backoff;
pub(crate) use checkpoint::HeldCheckpoint;
pub(crate) use coordinator::Coordinator;
pub(crate) use crew::{Crew, RunWorker};
pub(crate) use follower::{
    EventFailure, FailedEvent, Follower, Interruption, PageOutcome, SubscriptionPage,
};
pub(crate) use observing_follower::ObservingFollower;
pub(crate) use outdated::{NewerWork, OtherProcesses, Outdated};
pub(crate) use partition::Partition;
pub(crate) use phase::Phase;
pub(crate) use progress::{Build, Progress};
pub(crate) use selection::{ShardSelection, next_event};
pub(crate) use shard_progress::ShardProgress;
pub(crate) use tasks::Tasks;
pub(crate) use upkeep::{Trouble, Upkeep};
pub(crate) use worker::{SHUT_DOWN, Worker, unless};

use crate::handler::OnFailure;
use crate::registry::{ProcessEntry, ProjectionEntry, ReactionEntry};
use crate::store::shared_reads::SharedReads;
use crate::store::{
    EventLog, EventQuery, Fingerprint, ProjectionVersion, Shard, StoreError, ViewStore,
};
use crate::upcast::TagNames;
use crate::wiring::{BuildError, Models, PlannedProjection};
use info::SubscriptionInfo;
use projection::{FoldTarget, ProjectionRunner};
use view_folds::ViewFolds;

/// How all subscriptions of a dispatcher follow the log.
#[derive(Clone)]
pub(crate) struct Following {
    reads: SharedReads,
    /// Time after which an event that still fails stops its subscription.
    retry_for: Duration,
    /// Time after which an event that is neither handled nor fails makes its subscription stuck.
    stuck_after: Duration,
}

impl Following {
    pub(crate) fn new(retry_for: Duration, stuck_after: Duration) -> Self {
        Self {
            reads: SharedReads::default(),
            retry_for,
            stuck_after,
        }
    }
}

/// Creates the workers of a projection, and its folds. Runs the `#[setup]` of a new projection, so
/// that its tables exist before the dispatcher answers a query. An observing coordinator keeps the workers
/// from handling events.
///
/// # Errors
/// When the store or the `#[setup]` fails.
pub(crate) async fn projection(
    plan: &PlannedProjection,
    models: &Models,
    log: &Arc<dyn EventLog>,
    views: &Arc<dyn ViewStore>,
    coordinator: Option<&Coordinator>,
    following: &Following,
) -> Result<(Crew, ProjectionFolds), BuildError> {
    let info = Arc::new(info_of(plan, views, wake(coordinator)));
    if let Some(setup) = &plan.setup
        && !views.view_capabilities().read_only
    {
        let shard = Shard::whole(&*info.subscription);
        sql_projection::set_up(setup, info.name, shard, &**views).await?;
    }
    let crew = Crew::new(info, log.clone(), following.clone()).await?;
    let folds = ProjectionFolds {
        folds: ViewFolds::new(plan, models, views.clone()),
        takes_transaction: plan.takes_transaction(),
    };
    Ok((crew, folds))
}

/// Creates the workers that build the views of a version again, by this subscription and into these models.
///
/// # Errors
/// When the store fails.
pub(crate) async fn rebuilt(
    plan: &PlannedProjection,
    (subscription, models): (String, &Models),
    log: &Arc<dyn EventLog>,
    views: &Arc<dyn ViewStore>,
    coordinator: &Coordinator,
    following: &Following,
) -> Result<(Crew, ProjectionFolds), StoreError> {
    let info = SubscriptionInfo {
        subscription,
        ..info_of(plan, views, coordinator.wake())
    };
    let crew = Crew::new(Arc::new(info), log.clone(), following.clone()).await?;
    let folds = ProjectionFolds {
        folds: ViewFolds::new(plan, models, views.clone()),
        takes_transaction: false,
    };
    Ok((crew, folds))
}

/// Creates the workers of another version of a projection, whose code this program does not have: they only
/// observe. The names are those of the tag by which it may be divided, in the program and in the store.
///
/// # Errors
/// When the store fails.
pub(crate) async fn earlier_version(
    own: &Progress,
    version: &ProjectionVersion,
    (partition, stored_partition): (Option<&'static str>, Option<&'static str>),
    log: &Arc<dyn EventLog>,
    coordinator: &Coordinator,
) -> Result<Crew, StoreError> {
    let info = SubscriptionInfo {
        name: own.name(),
        stored_name: own.stored_name(),
        kind: SubscriptionKind::Projection,
        version: Some(version.version),
        subscription: projection_subscription(own.stored_name(), version.version),
        query: version.query(),
        partition: partition.map(Partition::by_first),
        stored_partition,
        // As its own code may have it, so that parked keys are noticed.
        on_failure: match partition {
            Some(_) => OnFailure::Park,
            None => OnFailure::Stop,
        },
        views: own.views().clone(),
        coordinator: coordinator.wake(),
        outdated: Outdated::default(),
    };
    // It handles no event, so it retries none.
    let following = Following::new(Duration::ZERO, Duration::MAX);
    Crew::new(Arc::new(info), log.clone(), following).await
}

/// The stored name of the subscription of a version of a projection.
pub(crate) fn projection_subscription(name: &str, version: u32) -> String {
    format!("projection:{name}:{version}")
}

/// The stored name of the subscription by which this code builds the views of a version again.
pub(crate) fn rebuilt_subscription(name: &str, version: u32, code: Fingerprint) -> String {
    format!("{}:{code}", projection_subscription(name, version))
}

/// Creates the workers of a reaction. A new reaction that starts at the head gets its checkpoint
/// here, before the dispatcher takes a command, so that it misses no event of this process.
///
/// # Errors
/// When the store fails.
pub(crate) async fn reaction(
    entry: &'static ReactionEntry,
    tags: &TagNames,
    log: &Arc<dyn EventLog>,
    views: &Arc<dyn ViewStore>,
    coordinator: Option<&Coordinator>,
    following: &Following,
) -> Result<Crew, BuildError> {
    let info = SubscriptionInfo {
        name: entry.name,
        stored_name: entry.stored_name(),
        kind: SubscriptionKind::Reaction,
        version: None,
        subscription: format!("reaction:{}", entry.stored_name()),
        query: EventQuery::typed([entry.event]),
        partition: entry.partition.map(Partition::by_first),
        stored_partition: entry.partition.map(|name| tags.stored_name(name)),
        on_failure: entry.on_failure,
        views: views.clone(),
        coordinator: wake(coordinator),
        outdated: Outdated::default(),
    };
    let crew = Crew::new(Arc::new(info), log.clone(), following.clone()).await?;
    if !entry.from_start {
        crew.begin_at_head().await?;
    }
    Ok(crew)
}

/// Creates the workers of a process manager. A new one starts with the next event, as a reaction does, unless it
/// is that of scheduled commands: what it has in the log waits for it.
///
/// # Errors
/// When the store fails.
pub(crate) async fn process_manager(
    entry: &'static ProcessEntry,
    tags: &TagNames,
    log: &Arc<dyn EventLog>,
    views: &Arc<dyn ViewStore>,
    coordinator: Option<&Coordinator>,
    following: &Following,
) -> Result<Crew, BuildError> {
    let info = SubscriptionInfo {
        name: entry.name,
        stored_name: entry.stored_name(),
        kind: SubscriptionKind::ProcessManager,
        version: None,
        subscription: entry.subscription(),
        query: entry.query(),
        partition: Some(Partition::by_each(entry.key)),
        stored_partition: Some(tags.stored_name(entry.key)),
        on_failure: OnFailure::Park,
        views: views.clone(),
        coordinator: wake(coordinator),
        outdated: Outdated::default(),
    };
    let crew = Crew::new(Arc::new(info), log.clone(), following.clone()).await?;
    if !entry.from_start {
        crew.begin_at_head().await?;
    }
    Ok(crew)
}

/// The folds of a projection, for the worker of each shard.
pub(crate) struct ProjectionFolds {
    folds: ViewFolds,
    takes_transaction: bool,
}

impl ProjectionFolds {
    /// A follower for the worker of one shard.
    pub(crate) fn follower(&self) -> Box<dyn Follower> {
        Box::new(ProjectionRunner {
            folds: self.folds.of_another_shard(),
            target: if self.takes_transaction {
                FoldTarget::Sql
            } else {
                FoldTarget::Views
            },
        })
    }
}

/// The stored name of a projection, and the events that it folds.
fn info_of(
    plan: &PlannedProjection,
    views: &Arc<dyn ViewStore>,
    coordinator: Arc<Notify>,
) -> SubscriptionInfo {
    let ProjectionEntry {
        name,
        version,
        partition,
        on_failure,
        ..
    } = *plan.entry;
    SubscriptionInfo {
        name,
        stored_name: plan.entry.stored_name(),
        kind: SubscriptionKind::Projection,
        version: None,
        subscription: projection_subscription(plan.entry.stored_name(), version),
        query: EventQuery::typed(plan.folds.iter().map(|fold| fold.event)),
        partition: partition.map(Partition::by_first),
        stored_partition: plan.stored_partition,
        on_failure,
        views: views.clone(),
        coordinator,
        outdated: Outdated::default(),
    }
}

/// The signal that wakes the coordinator, if there is one.
fn wake(coordinator: Option<&Coordinator>) -> Arc<Notify> {
    coordinator.map(Coordinator::wake).unwrap_or_default()
}
