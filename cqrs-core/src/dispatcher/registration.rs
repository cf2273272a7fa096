use std::sync::Arc;

use crate::Timestamp;
use crate::store::{ProjectionVersion, StoreError, VersionChange, VersionStep, ViewStore};
use crate::wiring::{BuildError, Plan, PlannedProjection, Problems, Stores};

/// Registers the versions of the projections, and returns all stored versions of each, in the order of the
/// plan. None for a store that keeps none. Warns of code that is accepted in vain.
///
/// # Errors
/// [`BuildError::Wiring`] with all projections whose version was built by other code.
pub(super) async fn register(
    plan: &Plan,
    stores: &Stores,
    is_held: bool,
    warnings: &mut Problems,
) -> Result<Vec<Vec<ProjectionVersion>>, BuildError> {
    let mut problems = Problems::default();
    let mut all = Vec::with_capacity(plan.projections.len());
    for projection in &plan.projections {
        let versions = match stores.of_projection(projection) {
            Some(views) => {
                let versions = register_one(projection, views, is_held, &mut problems).await?;
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
    is_held: bool,
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
