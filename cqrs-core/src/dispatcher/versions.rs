use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::answering::AnsweringVersion;
use super::subscriptions::Subscriptions;
use crate::error::OperationError;
use crate::handler::{rebuilt_table_of, table_of};
use crate::store::{
    Attendance, Blueprint, EventLogExt, ProjectionVersion, ShardStore, StoreError, VersionChange,
    VersionRemoval, VersionStep, VersionStore, WorkerId,
};
use crate::subscription::{Progress, projection_subscription, rebuilt_subscription};

/// Maximum time that a version which is to become live may take to reach the head, and until queries of this
/// process are answered from it.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// The stored versions of a projection, as operators see and change them.
pub(super) struct StoredVersions<'d> {
    pub(super) progress: &'d Progress,
    pub(super) store: &'d dyn VersionStore,
    /// `None` if the program's version has answered queries all along.
    pub(super) answering: Option<&'d Arc<AnsweringVersion>>,
    /// The version of the program.
    pub(super) version: u32,
}

impl Subscriptions<'_> {
    /// The versions of a projection, in order.
    ///
    /// # Errors
    /// When the store fails, keeps no versions, or there is no projection with this name.
    pub async fn versions(&self, name: &str) -> Result<Vec<ProjectionVersion>, OperationError> {
        self.versioned(name)?.read().await
    }

    /// Keeps this program's version of a projection from becoming live, until [`switch`](Self::switch), in
    /// all processes. It is built all the same.
    ///
    /// # Errors
    /// [`OperationError::AlreadyLive`] if it is live.
    pub async fn hold(&self, name: &str) -> Result<(), OperationError> {
        let versions = self.versioned(name)?;
        let stored = versions.change(VersionStep::Hold).await?;
        let own = versions.own(&stored)?;
        if own.is_live {
            return Err(OperationError::AlreadyLive {
                name: versions.progress.name(),
                version: versions.version,
            });
        }
        Ok(())
    }

    /// Makes this program's version of a projection the live one, also if it is
    /// [held](Self::hold), or was live before: after a return to earlier code.
    ///
    /// # Errors
    /// [`OperationError::NotComplete`] if it has never been live, and has not caught up with the log.
    pub async fn switch(&self, name: &str) -> Result<(), OperationError> {
        let versions = self.versioned(name)?;
        let stored = versions.read().await?;
        if !versions.own(&stored)?.was_live {
            let head = self.inner.log.head().await?;
            let reached = versions.progress.wait_for(head, LOOK_TIME).await;
            if reached.is_err() {
                return Err(OperationError::NotComplete {
                    name: versions.progress.name(),
                    position: versions.progress.position(),
                    head,
                });
            }
        }
        versions
            .change(VersionStep::Switch { by_hand: true })
            .await?;
        if let Some(answering) = versions.answering {
            answering.wake();
            answering.mark_known_complete();
            // For the next query. After a shutdown, there is none.
            let _ = timeout(LOOK_TIME, answering.settled()).await;
        }
        Ok(())
    }

    /// Removes a version of a projection: the tables of its read models, its checkpoint and its registration.
    /// Tables that it writes with SQL stay. Other processes may answer queries from a version for up to 3
    /// seconds after another one became live.
    ///
    /// # Errors
    /// [`OperationError::Live`] if it is live; [`OperationError::InUse`] if a process handles its events, or is
    /// ready to.
    pub async fn drop(&self, name: &str, version: u32) -> Result<(), OperationError> {
        let versions = self.versioned(name)?;
        let stored = versions.read().await?;
        let Some(found) = stored.iter().find(|it| it.version == version) else {
            return Err(versions.unknown(version));
        };
        let removal = removal_of(versions.progress.stored_name(), found);
        if !versions.store.remove_version(removal).await? {
            return Err(versions.in_use(version).await?);
        }
        Ok(())
    }
}

/// What has to be removed with a version of the projection with this stored name.
pub(super) fn removal_of(name: &str, version: &ProjectionVersion) -> VersionRemoval {
    let number = version.version;
    let codes: BTreeSet<_> = version
        .blueprints
        .iter()
        .map(Blueprint::fingerprint)
        .collect();
    // Also of rebuilds that did not come to their end.
    let mut tables = Vec::new();
    for model in version.models() {
        tables.push(table_of(name, number, model));
        let rebuilt = codes
            .iter()
            .map(|code| rebuilt_table_of(name, number, model, *code));
        tables.extend(rebuilt);
    }
    let rebuilt = codes
        .iter()
        .map(|code| rebuilt_subscription(name, number, *code));
    VersionRemoval {
        projection: name.to_owned(),
        version: number,
        subscriptions: [projection_subscription(name, number)]
            .into_iter()
            .chain(rebuilt)
            .collect(),
        tables,
        may_be_live: false,
    }
}

/// The number of processes that handle the events of a subscription, or are ready to.
async fn count_users(store: &dyn ShardStore, subscription: &str) -> Result<usize, StoreError> {
    // Only those who attend are told who does. This one can handle nothing, so nothing is left to it.
    let worker = WorkerId::new();
    let attendance = Attendance {
        worker,
        subscriptions: Vec::new(),
        lease: LOOK_TIME,
    };
    let roster = store.attend(attendance).await?;
    store.leave(worker).await?;
    let attending = roster.workers.iter();
    let ready = attending.filter(|(_, handled)| handled.iter().any(|it| it == subscription));
    let shards = roster.shards.iter();
    let owned = shards.filter(|state| state.shard.subscription == subscription);
    let owners = owned.filter_map(|state| state.owner);
    let users: BTreeSet<WorkerId> = ready.map(|(worker, _)| *worker).chain(owners).collect();
    Ok(users.len())
}

impl<'d> Subscriptions<'d> {
    /// The versions of the projection with this name.
    pub(super) fn versioned(&self, name: &str) -> Result<StoredVersions<'d>, OperationError> {
        let place = self.place(name)?;
        let progress = &self.inner.workers[place];
        let Some(projection) = self.inner.projections.get(place) else {
            return Err(OperationError::NotAProjection {
                name: progress.name(),
            });
        };
        match progress.views().view_capabilities().versions {
            Some(store) => Ok(StoredVersions {
                progress,
                store,
                answering: self.inner.answering[place].as_ref(),
                version: projection.version,
            }),
            None => Err(OperationError::NoVersions {
                name: progress.name(),
            }),
        }
    }
}

impl StoredVersions<'_> {
    pub(super) async fn read(&self) -> Result<Vec<ProjectionVersion>, OperationError> {
        let name = self.progress.stored_name().to_owned();
        Ok(self.store.versions(name).await?)
    }

    async fn change(&self, step: VersionStep) -> Result<Vec<ProjectionVersion>, OperationError> {
        let change = VersionChange {
            projection: self.progress.stored_name().to_owned(),
            version: self.version,
            step,
        };
        let changed = self.store.change_versions(change).await?;
        if let Some(answering) = self.answering {
            answering.wake();
        }
        Ok(changed)
    }

    /// The version of the program.
    pub(super) fn own<'v>(
        &self,
        stored: &'v [ProjectionVersion],
    ) -> Result<&'v ProjectionVersion, OperationError> {
        let mut stored = stored.iter();
        let own = stored.find(|it| it.version == self.version);
        own.ok_or_else(|| self.unknown(self.version))
    }

    /// The error of a version that cannot be dropped.
    async fn in_use(&self, version: u32) -> Result<OperationError, OperationError> {
        let name = self.progress.name();
        let stored = self.read().await?;
        let Some(found) = stored.iter().find(|it| it.version == version) else {
            return Ok(self.unknown(version));
        };
        if found.is_live {
            return Ok(OperationError::Live { name, version });
        }
        let processes = match self.progress.views().view_capabilities().shards {
            Some(shards) => {
                let name = self.progress.stored_name();
                count_users(shards, &projection_subscription(name, version)).await?
            }
            None => 0,
        };
        Ok(OperationError::InUse {
            name,
            version,
            processes,
        })
    }

    pub(super) fn unknown(&self, version: u32) -> OperationError {
        OperationError::UnknownVersion {
            name: self.progress.name(),
            version,
        }
    }
}
