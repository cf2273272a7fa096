//! What follows the log: projections, which keep read models, and reactions.

mod backoff;
mod fold;
mod follow;
mod progress;
mod react;
mod transaction;

use std::sync::Arc;

pub(crate) use follow::Worker;
pub(crate) use progress::Progress;
pub(crate) use react::Reactor;

use crate::dispatcher::Models;
use crate::handler::Resources;
use crate::store::Store;
use crate::wiring::{BuildError, Plan};

/// The workers of a dispatcher: projections first, in the plan's order, then reactions.
pub(crate) async fn workers(
    plan: &Plan,
    models: &Models,
    resources: &Resources,
    store: &Arc<dyn Store>,
) -> Result<Vec<Worker>, BuildError> {
    let mut workers = Vec::with_capacity(plan.projections.len() + plan.reactions.len());
    for projection in &plan.projections {
        workers.push(Worker::projection(projection, models, store.clone()).await?);
    }
    for entry in &plan.reactions {
        workers.push(Worker::reaction(entry, resources, store.clone()).await?);
    }
    Ok(workers)
}
