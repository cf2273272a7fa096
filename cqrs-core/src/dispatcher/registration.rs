use std::sync::Arc;
use std::time::Duration;

use super::versions::removal_of;
use crate::Timestamp;
use crate::store::{
    Position, ProjectionVersion, StoreError, VersionChange, VersionRemoval, VersionStep, ViewStore,
};
use crate::subscription::projection_subscription;
use crate::wiring::{BuildError, Plan, PlannedProjection, Problems, Stores};

/// Registers the versions of the projections, and returns all stored versions of each, in the order of the
/// plan. None for a store that keeps none. Warns of code that is accepted in vain.
///
/// # Errors
/// [`BuildError::Wiring`] with all projections whose version was built by other code.
pub(super) async fn register(
    plan: &Plan,
    stores: &Stores,
    (is_held, lease): (bool, Duration),
    warnings: &mut Problems,
) -> Result<Vec<Vec<ProjectionVersion>>, BuildError> {
    let mut problems = Problems::default();
    let mut all = Vec::with_capacity(plan.projections.len());
    for projection in &plan.projections {
        let versions = match stores.of_projection(projection) {
            Some(views) => {
                let versions =
                    register_one(projection, views, (is_held, lease), &mut problems).await?;
                projection.warn_of_unchanged(&projection.blueprint(), &versions, warnings);
                versions
            }
            None => Vec::new(),
        };
        all.push(versions);
    }
    if problems.is_empty() {
        Ok(all)
    } else {
        Err(problems.into_error())
    }
}

async fn register_one(
    projection: &PlannedProjection,
    views: &Arc<dyn ViewStore>,
    (is_held, lease): (bool, Duration),
    problems: &mut Problems,
) -> Result<Vec<ProjectionVersion>, StoreError> {
    let capabilities = views.view_capabilities();
    let Some(store) = capabilities.versions else {
        return Ok(Vec::new());
    };
    let blueprint = projection.blueprint();
    let mut versions = store
        .versions(projection.entry.stored_name().to_owned())
        .await?;
    if let Some(registered) = own(projection, &versions)
        && !registered.is_built_by(&blueprint)
        && !projection.is_said_to_be_unchanged(&blueprint)
        && is_unused(projection, registered, (views, lease)).await?
    {
        let removal = VersionRemoval {
            may_be_live: true,
            ..removal_of(projection.entry.stored_name(), registered)
        };
        if store.remove_version(removal).await? {
            versions.retain(|it| it.version != projection.entry.version);
        }
    }
    if own(projection, &versions).is_none() && !capabilities.read_only {
        let change = change(
            projection,
            VersionStep::Register {
                blueprint: blueprint.clone(),
                began: now(),
                is_held,
            },
        );
        versions = store.change_versions(change).await?;
    }
    let is_known = own(projection, &versions).is_none_or(|own| own.is_built_by(&blueprint));
    if !is_known && !projection.is_said_to_be_unchanged(&blueprint) {
        projection.report_change(&blueprint, &versions, problems);
    } else if !is_known && !capabilities.read_only {
        // Added, and not replaced: processes of the earlier code may be started again.
        let change = change(projection, VersionStep::Accept(blueprint));
        versions = store.change_versions(change).await?;
    }
    Ok(versions)
}

/// Whether no event of a version was handled yet, so that there is nothing that other code has made: it can be registered
/// anew. A process that attends for it, or is about to, may handle one at any time.
async fn is_unused(
    projection: &PlannedProjection,
    registered: &ProjectionVersion,
    (views, lease): (&Arc<dyn ViewStore>, Duration),
) -> Result<bool, StoreError> {
    let capabilities = views.view_capabilities();
    let Some(shards) = capabilities.shards.filter(|_| !capabilities.read_only) else {
        return Ok(false);
    };
    // A process that has just registered it may not attend yet.
    let age = Duration::try_from(now().duration_since(registered.began));
    // Tables that it has set up with SQL are not known.
    if !age.is_ok_and(|age| age >= lease) || projection.takes_transaction() {
        return Ok(false);
    }
    let name = projection.entry.stored_name();
    let subscription = projection_subscription(name, projection.entry.version);
    let stored = shards.shards(subscription).await?;
    Ok(stored.iter().all(|state| {
        let is_at_start = state.position() == Position::START && state.ahead.is_empty();
        is_at_start && state.parked == 0 && state.halt.is_none()
    }))
}

/// The version of the program.
fn own<'v>(
    projection: &PlannedProjection,
    versions: &'v [ProjectionVersion],
) -> Option<&'v ProjectionVersion> {
    let mut versions = versions.iter();
    versions.find(|it| it.version == projection.entry.version)
}

fn change(projection: &PlannedProjection, step: VersionStep) -> VersionChange {
    VersionChange {
        projection: projection.entry.stored_name().to_owned(),
        version: projection.entry.version,
        step,
    }
}

/// The current time, with the precision of stores.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
