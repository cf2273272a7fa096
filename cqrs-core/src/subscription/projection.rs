use std::sync::Arc;

use tracing::Span;

use super::view_folds::ViewFolds;
use super::{
    Follower, HeldCheckpoint, Interruption, PageOutcome, Phase, SubscriptionPage, sql_projection,
    view_projection,
};
use crate::store::{BoxFuture, Position, Recorded};
use crate::trace;
use crate::trace_context;

/// Runs the folds of a projection on the pages of its subscription.
pub(super) struct ProjectionRunner {
    pub(super) folds: ViewFolds,
    pub(super) target: FoldTarget,
}

/// Where the folds of a projection write.
#[derive(Clone, Copy)]
pub(super) enum FoldTarget {
    /// To views in memory, which are written after the page is folded.
    Views,
    /// To a transaction, which commits with the checkpoint.
    Sql,
}

impl Follower for ProjectionRunner {
    fn ends(&self, phase: Phase, at: Position) -> bool {
        phase.is_finished(at)
    }

    fn restart(&self, is_first: bool) {
        self.folds.restart(is_first);
    }

    fn span(&self, subscription: &str, events: &[Arc<Recorded>]) -> Span {
        let span = trace::project(subscription, events);
        let name = self.folds.name;
        trace_context::relate(&span, ("project", name), events.iter().map(Arc::as_ref));
        span
    }

    fn handle<'a>(
        &'a self,
        page: SubscriptionPage<'a>,
        checkpoint: &'a mut HeldCheckpoint,
    ) -> BoxFuture<'a, Result<PageOutcome, Interruption>> {
        match self.target {
            FoldTarget::Views => {
                Box::pin(view_projection::fold_page(&self.folds, page, checkpoint))
            }
            FoldTarget::Sql => Box::pin(sql_projection::fold_page(&self.folds, page, checkpoint)),
        }
    }
}
