//! A view store without transactions that breaks one promise.

use std::sync::Arc;

use cqrs_conformance::ViewFixture;
use cqrs_core::store::{BoxFuture, ViewBatch, ViewCommitError, ViewStore};

use crate::support::decorated::{Decorated, Hooks};
use crate::support::one_by_one::OneByOne;

/// The promise that a store breaks, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PositionFault {
    /// Each change is written, whatever position the view has.
    WritesLowerPositions,
    MovesTheCheckpointFirst,
    HasNoFence,
}

impl PositionFault {
    async fn commit_badly(
        self,
        views: &OneByOne,
        mut batch: ViewBatch,
    ) -> Result<(), ViewCommitError> {
        match self {
            Self::WritesLowerPositions => {
                for change in &mut batch.changes {
                    let keys = vec![change.key.clone()];
                    let stored = views.load_to_fold(change.model.clone(), keys).await?;
                    change.position = change.position.max(stored[0].position.plus(1));
                }
            }
            Self::MovesTheCheckpointFirst => {
                let changes = std::mem::take(&mut batch.changes);
                views.commit(batch.clone()).await?;
                super::a_while().await;
                batch = ViewBatch {
                    from: Some(batch.to.position),
                    changes,
                    ..batch
                };
            }
            Self::HasNoFence => {
                let found = views.checkpoint(&batch.shard).await?;
                batch.from = found.map(|found| found.position);
            }
        }
        views.commit(batch).await
    }
}

impl Hooks<OneByOne> for PositionFault {
    fn commit<'a>(
        &'a self,
        views: &'a OneByOne,
        batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>> {
        Box::pin(self.commit_badly(views, batch))
    }
}

/// The data of a faulty store, shared by its handles.
pub struct BrokenPositions {
    views: Arc<OneByOne>,
    fault: PositionFault,
}

impl BrokenPositions {
    pub fn new(fault: PositionFault) -> Self {
        let views = OneByOne::new();
        Self { views, fault }
    }
}

impl ViewFixture for BrokenPositions {
    type Views = Decorated<OneByOne, PositionFault>;

    async fn open_views(&self) -> Self::Views {
        Decorated {
            store: self.views.clone(),
            hooks: self.fault,
        }
    }
}
