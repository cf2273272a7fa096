//! Projections and reactions follow the log: a worker delivers the events of a subscription to its
//! follower, a projection or a reaction, and keeps the checkpoint.

mod assignment;
mod backoff;
mod checkpoint;
mod coordinator;
mod follower;
mod health;
mod lease;
mod phase;
mod progress;
mod projection;
mod sql_projection;
mod standby;
mod view_folds;
mod view_projection;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

pub use health::{SubscriptionHealth, SubscriptionKind, SubscriptionState};

pub(crate) use backoff::Backoff;
pub(crate) use checkpoint::HeldCheckpoint;
pub(crate) use coordinator::Coordinator;
pub(crate) use follower::{
    EventFailure, FailedEvent, Follower, Interruption, PageOutcome, SubscriptionPage,
};
pub(crate) use phase::Phase;
pub(crate) use progress::Progress;
pub(crate) use worker::{SHUT_DOWN, Worker, unless};

use crate::registry::{ProjectionEntry, ReactionEntry};
use crate::store::{EventLog, EventQuery, Shard, ViewStore};
use crate::wiring::{BuildError, Models, PlannedProjection};
use lease::ShardLease;
use projection::{FoldTarget, ProjectionRunner};
use view_folds::ViewFolds;

/// Creates the worker and the follower of a projection. Runs the `#[setup]` of a new projection, so
/// that its tables exist before the dispatcher answers a query. An observing coordinator keeps the worker
/// from handling events.
///
/// # Errors
/// When the store or the `#[setup]` fails.
pub(crate) async fn projection(
    plan: &PlannedProjection,
    models: &Models,
    log: &Arc<dyn EventLog>,
    views: &Arc<dyn ViewStore>,
    coordinator: Option<&mut Coordinator>,
    retry_for: Duration,
) -> Result<(Worker, Box<dyn Follower>), BuildError> {
    let entry = plan.entry;
    let shard = Shard::whole(checkpoint_of(entry));
    if let Some(setup) = &plan.setup
        && !views.view_capabilities().read_only
    {
        sql_projection::set_up(setup, entry.name, shard.clone(), &**views).await?;
    }
    let progress = Progress::new(
        (entry.name, SubscriptionKind::Projection),
        (shard, events_of(plan)),
        views.clone(),
        wake(coordinator.as_deref()),
    );
    let lease = lease(coordinator, &progress);
    let worker = Worker::new(lease, progress, log.clone(), retry_for);
    let runner = ProjectionRunner {
        folds: ViewFolds::new(plan, models, views.clone()),
        target: if plan.takes_transaction() {
            FoldTarget::Sql
        } else {
            FoldTarget::Views
        },
    };
    Ok((worker, Box::new(runner)))
}

/// Creates the worker of a reaction. A new reaction that starts at the head gets its checkpoint
/// here, before the dispatcher takes a command, so that it misses no event of this process.
///
/// # Errors
/// When the store fails.
pub(crate) async fn reaction(
    entry: &'static ReactionEntry,
    log: &Arc<dyn EventLog>,
    views: &Arc<dyn ViewStore>,
    coordinator: Option<&mut Coordinator>,
    retry_for: Duration,
) -> Result<Worker, BuildError> {
    let shard = Shard::whole(format!("reaction:{}", entry.name));
    let progress = Progress::new(
        (entry.name, SubscriptionKind::Reaction),
        (shard, EventQuery::typed([entry.event])),
        views.clone(),
        wake(coordinator.as_deref()),
    );
    let lease = lease(coordinator, &progress);
    let worker = Worker::new(lease, progress, log.clone(), retry_for);
    if !entry.from_start {
        worker.begin_at_head().await?;
    }
    Ok(worker)
}

/// The lease of a worker's shard. Without a coordinator, it never ends.
fn lease(coordinator: Option<&mut Coordinator>, progress: &Progress) -> ShardLease {
    match coordinator {
        Some(coordinator) => coordinator.lease(progress.clone()),
        None => ShardLease::unlimited(),
    }
}

/// The signal that wakes the coordinator, if there is one.
fn wake(coordinator: Option<&Coordinator>) -> Arc<Notify> {
    coordinator.map(Coordinator::wake).unwrap_or_default()
}

/// The events that a projection folds.
fn events_of(plan: &PlannedProjection) -> EventQuery {
    EventQuery::typed(plan.folds.iter().map(|fold| fold.event))
}

/// The name of a projection's checkpoint.
fn checkpoint_of(entry: &ProjectionEntry) -> String {
    format!("projection:{}:{}", entry.name, entry.version)
}
