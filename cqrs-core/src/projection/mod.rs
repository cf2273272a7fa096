//! What follows the log: projections, which keep read models, and reactions.

mod backoff;
mod fold;
mod follow;
mod observe;
mod progress;
mod react;
mod transaction;

use std::sync::Arc;

pub(crate) use follow::Worker;
pub(crate) use observe::Observer;
pub(crate) use progress::Progress;
pub(crate) use react::Reactor;

use crate::handler::Resources;
use crate::registry::ProjectionEntry;
use crate::store::Store;
use crate::wiring::{BuildError, Models, Plan, PlannedProjection};

/// The workers of a dispatcher: projections first, in the plan's order, then reactions. None on a
/// store that can only be read.
pub(crate) async fn workers(
    plan: &Plan,
    models: &Models,
    resources: &Resources,
    store: &Arc<dyn Store>,
) -> Result<Vec<Worker>, BuildError> {
    if store.is_read_only() {
        return Ok(Vec::new());
    }
    let mut workers = Vec::with_capacity(plan.projections.len() + plan.reactions.len());
    for projection in &plan.projections {
        workers.push(Worker::projection(projection, models, store.clone()).await?);
    }
    for entry in &plan.reactions {
        workers.push(Worker::reaction(entry, resources, store.clone()).await?);
    }
    Ok(workers)
}

/// The projections that other processes run on a store that can only be read here, in the plan's
/// order.
pub(crate) fn observers(plan: &Plan, store: &Arc<dyn Store>) -> Vec<Observer> {
    if !store.is_read_only() {
        return Vec::new();
    }
    let projections = plan.projections.iter();
    let observer = |it: &PlannedProjection| Observer::new(it.entry, store.clone());
    projections.map(observer).collect()
}

/// The name of a projection's checkpoint.
fn subscription(entry: &ProjectionEntry) -> String {
    format!("projection:{}:{}", entry.name, entry.version)
}
