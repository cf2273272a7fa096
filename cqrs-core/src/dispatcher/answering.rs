use std::any::TypeId;
use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};

use crate::error::Rebuilding;
use crate::handler::ModelType;
use crate::store::{ModelSchema, ProjectionVersion};
use crate::subscription::{Build, Progress, VersionHealth};
use crate::wiring::PlannedProjection;

/// The version of a projection that answers the queries of this process: its own one, once that has been
/// live, and otherwise the live one, as far as its read models have the same fields.
pub(crate) struct AnsweringVersion {
    /// The projection's own progress, which is that of the program's version.
    progress: Progress,
    version: u32,
    models: Vec<ModelType>,
    /// The names of tags by which subscriptions may be divided: here, and in the store.
    partitions: Vec<(&'static str, &'static str)>,
    answer: watch::Sender<Answering>,
    /// Has the task look at the stored versions at once.
    wake: Notify,
    /// Whether somebody in this process knows that the program's version was complete.
    is_known_complete: AtomicBool,
}

/// The version that answers.
#[derive(Clone)]
pub(super) enum Answering {
    /// That of the program. It stays so.
    Own,
    Earlier(Arc<EarlierVersion>),
    /// None has read models like these.
    None,
}

/// A live version whose code this program does not have.
pub(super) struct EarlierVersion {
    pub(super) version: u32,
    /// Its progress, as other processes make it.
    pub(super) progress: Progress,
    /// Those of its read models that have the same fields as in this program, by the type here.
    schemas: HashMap<TypeId, Arc<ModelSchema>>,
}

/// A version is divided by a tag that this program does not know.
pub(super) struct UnknownPartition;

impl AnsweringVersion {
    pub(super) fn new(
        projection: &PlannedProjection,
        partitions: Vec<(&'static str, &'static str)>,
        progress: Progress,
    ) -> Self {
        // Until its first look at the log.
        progress.mark_build(Some(Build::default()));
        Self {
            progress,
            version: projection.entry.version,
            models: projection.models(),
            partitions,
            answer: watch::Sender::new(Answering::None),
            wake: Notify::new(),
            is_known_complete: AtomicBool::new(false),
        }
    }

    /// The progress of the program's version.
    pub(super) fn own(&self) -> &Progress {
        &self.progress
    }

    /// The program's version.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    pub(super) fn answering(&self) -> watch::Receiver<Answering> {
        self.answer.subscribe()
    }

    /// Whether the program's version answers from now on.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        matches!(*self.answer.borrow(), Answering::Own)
    }

    /// Records that a caller in this process was told that the program's version is complete.
    pub(super) fn mark_known_complete(&self) {
        self.is_known_complete.store(true, Ordering::Release);
    }

    /// Whether the version is live, and whoever builds it means to build it again. A job would otherwise build it
    /// twice, if it became live before the job began to wait for it.
    pub(super) fn is_built_before(&self) -> bool {
        self.is_settled() && self.is_known_complete.load(Ordering::Acquire)
    }

    /// Waits until the program's version answers.
    pub(super) async fn settled(&self) {
        let mut answer = self.answering();
        // An error would mean that the sender is gone, but `self` has it.
        let _ = answer
            .wait_for(|answering| matches!(answering, Answering::Own))
            .await;
    }

    /// Waits until the program's version answers, or would if it were not held.
    pub(super) async fn settled_or_held(&self) {
        let mut builds = self.progress.builds();
        let _ = builds
            .wait_for(|build| build.as_ref().is_none_or(|build| build.is_held))
            .await;
    }

    /// Has the task look at the stored versions at once.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until somebody has changed the stored versions in this process.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Sets the version that answers. Whoever waits for a former one looks again.
    pub(super) fn answer_from(&self, answering: Answering) {
        let former = self.answer.send_replace(answering);
        if let Answering::Earlier(earlier) = former {
            earlier.progress.mark_ended(SUPERSEDED);
        }
    }

    /// Health of the earlier version, if that answers.
    pub(super) fn earlier_health(&self) -> Option<VersionHealth> {
        match &*self.answer.borrow() {
            Answering::Earlier(earlier) => Some(VersionHealth {
                version: earlier.version,
                position: earlier.progress.position(),
                state: earlier.progress.health().state,
            }),
            Answering::Own | Answering::None => None,
        }
    }

    /// Progress of the earlier version, if that answers all queries.
    pub(super) fn earlier_progress(&self) -> Option<(u32, Progress)> {
        match &*self.answer.borrow() {
            Answering::Earlier(earlier) if earlier.has_all_of(self) => {
                Some((earlier.version, earlier.progress.clone()))
            }
            Answering::Earlier(_) | Answering::Own | Answering::None => None,
        }
    }

    /// Whether some queries are not answered.
    pub(super) fn is_partly_unanswered(&self) -> bool {
        match &*self.answer.borrow() {
            Answering::Own => false,
            Answering::Earlier(earlier) => !earlier.has_all_of(self),
            Answering::None => true,
        }
    }

    /// The error of a query that no version answers.
    pub(super) fn rebuilding(&self) -> Rebuilding {
        let build = self.progress.build();
        Rebuilding {
            projection: self.progress.name(),
            version: self.version,
            progress: build.map(|build| build.progress).unwrap_or_default(),
        }
    }

    /// The schemas of the live version for the read models that have the same fields here and there.
    pub(super) fn schemas_of(&self, live: &ProjectionVersion) -> HashMap<TypeId, Arc<ModelSchema>> {
        let same = self.models.iter().filter(|model| {
            live.blueprints.iter().any(|blueprint| {
                let known = blueprint.models.get(model.name);
                known.is_some_and(|known| known.get() == model.fingerprint)
            })
        });
        same.map(|model| {
            let schema = model.schema(self.progress.stored_name(), live.version);
            (model.id, Arc::new(schema))
        })
        .collect()
    }

    /// The names of the tag by which a version may be divided: here, and in the store.
    ///
    /// # Errors
    /// When this program does not know it.
    pub(super) fn partition_of(
        &self,
        version: &ProjectionVersion,
    ) -> Result<(Option<&'static str>, Option<&'static str>), UnknownPartition> {
        let Some(stored) = version.partition() else {
            return Ok((None, None));
        };
        let mut known = self.partitions.iter().copied();
        let found = known.find(|(_, name)| *name == stored);
        let (name, stored) = found.ok_or(UnknownPartition)?;
        Ok((Some(name), Some(stored)))
    }
}

impl EarlierVersion {
    pub(super) fn new(
        version: u32,
        progress: Progress,
        schemas: HashMap<TypeId, Arc<ModelSchema>>,
    ) -> Self {
        Self {
            version,
            progress,
            schemas,
        }
    }

    /// The schema of a read model, if it has the same fields as in this program.
    pub(super) fn schema(&self, model: TypeId) -> Option<&Arc<ModelSchema>> {
        self.schemas.get(&model)
    }

    /// Whether it has all read models of the projection.
    pub(super) fn has_all_of(&self, answering: &AnsweringVersion) -> bool {
        let mut models = answering.models.iter();
        models.all(|model| self.schemas.contains_key(&model.id))
    }
}

/// The reason of the observers of a version that no longer answers.
const SUPERSEDED: &str = "another version of the projection is live";

/// Waits until one of these has another version that answers. Forever, if there are none.
pub(super) async fn any_change(changes: &[watch::Receiver<Answering>]) {
    match changes {
        [] => pending().await,
        changes => {
            let mut waits: Vec<_> = changes
                .iter()
                .cloned()
                .map(|mut change| {
                    Box::pin(async move {
                        let _ = change.changed().await;
                    })
                })
                .collect();
            std::future::poll_fn(|context| {
                let is_any_ready = waits
                    .iter_mut()
                    .any(|wait| wait.as_mut().poll(context).is_ready());
                if is_any_ready {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
        }
    }
}
