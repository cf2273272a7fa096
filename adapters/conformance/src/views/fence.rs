use cqrs_core::Position;
use cqrs_core::store::{ViewCommitError, ViewStore};

use super::client::{checkpoint, commit, is_atomic, load_to_fold, open_many, prepare};
use super::draft::{batch, cards, put};
use crate::tasks::race;
use crate::{Outcome, ViewFixture};

/// V2: a batch that does not start at the checkpoint writes nothing, and its error contains the
/// checkpoint.
pub async fn v2_a_batch_from_another_checkpoint_writes_nothing<F: ViewFixture>(
    fixture: &F,
) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if !is_atomic(&*stores[0]) {
        return Outcome::NotClaimed("atomic commits");
    }
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    let fenced = async |from: Option<u64>, checkpoint: Option<u64>| {
        for store in &stores {
            let changes = vec![put(&cards, "a", "wrong"), put(&cards, "new", "wrong")];
            match store.commit(batch(from, 99, changes)).await {
                Err(ViewCommitError::Moved { found }) => {
                    let found = found.map(Position::get);
                    assert_eq!(found, checkpoint, "V2: the checkpoint in the error");
                }
                outcome => panic!("V2: a batch from {from:?}, not {checkpoint:?}: {outcome:?}"),
            }
        }
    };
    fenced(Some(0), None).await;
    commit(&*stores[0], batch(None, 0, vec![put(&cards, "a", "1")])).await;
    fenced(None, Some(0)).await;
    commit(&*stores[1], batch(Some(0), 4, vec![put(&cards, "a", "2")])).await;
    fenced(None, Some(4)).await;
    fenced(Some(0), Some(4)).await;
    fenced(Some(5), Some(4)).await;
    let views = load_to_fold(&*stores[0], &cards, &["a", "new"]).await;
    assert_eq!(
        views,
        [Some("2".to_owned()), None],
        "V2: nothing was written"
    );
    assert_eq!(checkpoint(&*stores[1]).await, Some(4));
    Outcome::Kept
}

/// V2: of many workers that commit from one checkpoint exactly one succeeds, in one process and in
/// several.
pub async fn v2_one_of_many_workers_commits<F: ViewFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let cards = cards();
    for store in &stores {
        prepare(&**store, &cards).await;
    }
    let mut from = None;
    for round in 1..=8 {
        let racers = (0..8).map(|racer| {
            let store = stores[racer % 2].clone();
            let changes = vec![
                put(&cards, "worker", &racer.to_string()),
                put(&cards, "round", "1"),
            ];
            let batch = batch(from, round, changes);
            async move { store.commit(batch).await }
        });
        let outcomes = race(racers).await;
        let winners: Vec<_> = (0..8).filter(|racer| outcomes[*racer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "V2: workers that committed from {from:?}");
        for outcome in outcomes {
            match outcome {
                Ok(()) => {}
                Err(ViewCommitError::Moved { found }) => {
                    assert_eq!(found, Some(Position::new(round)));
                }
                Err(error) => panic!("V2: neither committed nor fenced: {error}"),
            }
        }
        let view = load_to_fold(&*stores[1], &cards, &["worker"]).await;
        // Otherwise the view is that of its first writer, which need not be the one that moved the
        // checkpoint.
        if is_atomic(&*stores[1]) {
            let winner = Some(winners[0].to_string());
            assert_eq!(view, [winner], "V2: the winner's view");
        }
        from = Some(round);
    }
}
