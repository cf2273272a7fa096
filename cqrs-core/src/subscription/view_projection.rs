use std::sync::Arc;

use tracing::Span;

use super::view_folds::{FoldedPage, ViewFolds};
use super::{Checkpoint, EventPage, Follower, Handled, Interrupted, Phase};
use crate::store::{BoxFuture, Position, Recorded};
use crate::trace;

/// A projection without SQL: folds a page on views in memory, and writes what changed.
pub(super) struct ViewProjection {
    pub(super) subscription: String,
    pub(super) folds: ViewFolds,
}

impl Follower for ViewProjection {
    fn ends(&self, phase: Phase, at: Position) -> bool {
        phase.is_finished(at)
    }

    fn restart(&self) {
        self.folds.reset();
    }

    fn span(&self, events: &[Arc<Recorded>]) -> Span {
        trace::project(&self.subscription, events)
    }

    fn handle<'a>(
        &'a self,
        mut page: EventPage<'a>,
        checkpoint: &'a mut Checkpoint,
    ) -> BoxFuture<'a, Result<Handled, Interrupted>> {
        Box::pin(async move {
            loop {
                let FoldedPage { changes, folded } = self.folds.fold_page(page.events).await?;
                let rest = page.after(folded.count);
                let is_part = folded.failed.is_none() && !rest.events.is_empty();
                let handled = page.handled(folded.failed);
                let to = if is_part { rest.from } else { handled.to };
                if !changes.is_empty() {
                    checkpoint.commit(to, changes).await?;
                }
                self.folds.committed();
                if !is_part {
                    return Ok(handled);
                }
                page = rest;
            }
        })
    }
}
