use super::view_folds::{FoldedPage, ViewFolds};
use super::{HeldCheckpoint, Interruption, PageOutcome, SubscriptionPage};

/// Folds a page into views in memory, and writes the changed views with the checkpoint. A page
/// whose views are too large to be in memory together is written in parts.
///
/// While the changes of a page are written, the next page is folded. The changed views stay in memory
/// meanwhile, so that no fold loads one as it was before.
pub(super) async fn fold_page(
    folds: &ViewFolds,
    mut page: SubscriptionPage<'_>,
    checkpoint: &mut HeldCheckpoint,
) -> Result<PageOutcome, Interruption> {
    loop {
        let found = folds.fold_page(page.events).await;
        // From here on, everything is written but the changes of this page.
        checkpoint.settle().await?;
        let FoldedPage { changes, folded } = match found {
            Some(found) => found,
            None => folds.fold_each(page.events).await?,
        };
        let rest = page.after(folded.count);
        let is_part = folded.failed.is_none() && !rest.events.is_empty();
        let may_go_on = page.has_more && !is_part && folded.failed.is_none() && !folds.are_full();
        let outcome = page.outcome(folded.failed);
        if may_go_on && !changes.is_empty() {
            checkpoint.begin_commit(page, changes).await?;
            folds.begun();
        } else {
            // A part ends with its last event; a whole page counts up to where the log was read.
            let to = if is_part { rest.from } else { outcome.to };
            if !changes.is_empty() {
                checkpoint.commit(page, to, changes).await?;
            }
            folds.committed();
        }
        if outcome.to >= checkpoint.caught_up {
            folds.caught_up();
        }
        if !is_part {
            return Ok(outcome);
        }
        page = rest;
    }
}
