use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{ModelSchema, StoredView, ViewCommitError, ViewStore};

use super::client::{checkpoint, commit, is_atomic, open, open_many, prepare};
use super::draft::{at, batch, cards, delete, put};
use crate::tasks::both;
use crate::{Outcome, ViewFixture};

/// The capability that these promises are about.
const CLAIM: Outcome = Outcome::NotClaimed("commits by position");

/// V1, without transactions: a view is written only by a higher position than its own, even by
/// another process. A deleted view keeps its position.
pub async fn v1_a_view_is_written_only_by_a_higher_position<F: ViewFixture>(
    fixture: &F,
) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if is_atomic(&*stores[0]) {
        return CLAIM;
    }
    let cards = cards();
    for store in &stores {
        prepare(&**store, &cards).await;
    }
    assert_eq!(stored(&*stores[0], &cards).await, view(None, 0));
    let written = put(&cards, "a", "5");
    let deleted = || delete(&cards, "a");
    let steps = [
        (at(5, written), view(Some("5"), 5)),
        (at(4, put(&cards, "a", "lower")), view(Some("5"), 5)),
        (at(5, put(&cards, "a", "same")), view(Some("5"), 5)),
        (at(5, deleted()), view(Some("5"), 5)),
        (at(7, deleted()), view(None, 7)),
        (at(6, put(&cards, "a", "lower")), view(None, 7)),
        (at(7, put(&cards, "a", "same")), view(None, 7)),
        (at(8, put(&cards, "a", "8")), view(Some("8"), 8)),
    ];
    let mut from = None;
    for (place, (change, expected)) in steps.into_iter().enumerate() {
        let to = from.map_or(10, |from| from + 1);
        let text = format!("{:?} at {}", change.view, change.position);
        commit(&*stores[place % 2], batch(from, to, vec![change])).await;
        for store in &stores {
            let found = stored(&**store, &cards).await;
            assert_eq!(found, expected, "V1: the view after {text}");
        }
        from = Some(to);
    }
    drop(stores);
    let store = open(fixture).await;
    let found = stored(&*store, &cards).await;
    assert_eq!(found, view(Some("8"), 8), "V1: after a restart");
    Outcome::Kept
}

/// V2, without transactions: the checkpoint moves after the views of its batch are written, and
/// only from the start of the batch.
pub async fn v2_the_checkpoint_moves_last_and_is_fenced<F: ViewFixture>(fixture: &F) -> Outcome {
    const COMMITS: u64 = 40;
    let stores = open_many(fixture, 2).await;
    if is_atomic(&*stores[0]) {
        return CLAIM;
    }
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    let write = async {
        for to in 1..=COMMITS {
            let from = (to > 1).then(|| to - 1);
            let changes = vec![put(&cards, "b", "1"), put(&cards, "a", "1")];
            commit(&*stores[0], batch(from, to, changes)).await;
            tokio::task::yield_now().await;
        }
    };
    let look = async {
        let mut reached = 0;
        while reached < COMMITS {
            reached = checkpoint(&*stores[1]).await.unwrap_or_default();
            let found = stored(&*stores[1], &cards).await.position;
            assert!(
                found.get() >= reached,
                "V2: the checkpoint is {reached}, the view still at {found}"
            );
            tokio::task::yield_now().await;
        }
    };
    both(write, look).await;
    for from in [None, Some(COMMITS - 1), Some(COMMITS + 1)] {
        let stale = batch(from, COMMITS + 9, vec![put(&cards, "b", "2")]);
        match stores[1].commit(stale).await {
            Err(ViewCommitError::Moved { found }) => {
                let found = found.map(Position::get);
                assert_eq!(found, Some(COMMITS), "V2: the checkpoint in the error");
            }
            outcome => panic!("V2: a batch from {from:?}, not {COMMITS}: {outcome:?}"),
        }
        let found = checkpoint(&*stores[0]).await;
        assert_eq!(found, Some(COMMITS), "V2: the checkpoint stays");
    }
    Outcome::Kept
}

/// The view `a` as a projection loads it.
async fn stored<S: ViewStore>(store: &S, cards: &Arc<ModelSchema>) -> StoredView {
    let loaded = store
        .load_to_fold(cards.clone(), vec!["a".to_owned()])
        .await
        .expect("views can be loaded");
    let [view] = <[StoredView; 1]>::try_from(loaded).expect("one view per key");
    view
}

fn view(body: Option<&str>, position: u64) -> StoredView {
    StoredView {
        body: body.map(|body| body.as_bytes().to_vec()),
        position: Position::new(position),
    }
}
