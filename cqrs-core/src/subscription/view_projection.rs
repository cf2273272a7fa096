use super::view_folds::{FoldedPage, ViewFolds};
use super::{HeldCheckpoint, Interruption, PageOutcome, SubscriptionPage};

/// Folds a page into views in memory, and writes the changed views with the checkpoint. A page
/// whose views are too large to be in memory together is written in parts.
pub(super) async fn fold_page(
    folds: &ViewFolds,
    mut page: SubscriptionPage<'_>,
    checkpoint: &mut HeldCheckpoint,
) -> Result<PageOutcome, Interruption> {
    loop {
        let FoldedPage { changes, folded } = folds.fold_page(page.events).await?;
        let rest = page.after(folded.count);
        let is_part = folded.failed.is_none() && !rest.events.is_empty();
        let outcome = page.outcome(folded.failed);
        // A part ends with its last event; a whole page counts up to where the log was read.
        let to = if is_part { rest.from } else { outcome.to };
        if !changes.is_empty() {
            checkpoint.commit(page, to, changes).await?;
        }
        folds.committed();
        if outcome.to >= checkpoint.caught_up {
            folds.caught_up();
        }
        if !is_part {
            return Ok(outcome);
        }
        page = rest;
    }
}
