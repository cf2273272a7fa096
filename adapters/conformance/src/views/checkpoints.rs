use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::Position;
use cqrs_core::store::{
    Incarnation, ModelSchema, ViewBatch, ViewChange, ViewCommitError, ViewStore,
};
use cqrs_core::views::SortKey;
use tokio::sync::watch;

use super::client::{open, open_many};
use crate::ViewFixture;
use crate::tasks::{finish, race};

/// A read model of this name with one index.
fn model(table: &str) -> Arc<ModelSchema> {
    Arc::new(ModelSchema {
        table: table.to_owned(),
        indexes: vec!["rank"],
    })
}

fn put(model: &Arc<ModelSchema>, key: &str, body: &str) -> ViewChange {
    let view = Some((body.as_bytes().to_vec(), vec![SortKey::of(body)]));
    ViewChange {
        model: model.clone(),
        key: key.to_owned(),
        view,
    }
}

fn delete(model: &Arc<ModelSchema>, key: &str) -> ViewChange {
    ViewChange {
        model: model.clone(),
        key: key.to_owned(),
        view: None,
    }
}

/// A batch of the subscription `projection:test`.
fn batch(from: Option<u64>, to: u64, changes: Vec<ViewChange>) -> ViewBatch {
    let subscription = "projection:test".to_owned();
    ViewBatch {
        subscription,
        from: from.map(Position::new),
        to: Position::new(to),
        incarnation: Incarnation::default(),
        changes,
    }
}

async fn load<S: ViewStore>(
    store: &S,
    model: &Arc<ModelSchema>,
    keys: &[&str],
) -> Vec<Option<String>> {
    let keys = keys.iter().copied().map(str::to_owned).collect();
    let views = store
        .load(model.clone(), keys)
        .await
        .expect("views can be loaded");
    let text = |body: Vec<u8>| String::from_utf8(body).expect("what was written");
    views.into_iter().map(|view| view.map(text)).collect()
}

async fn checkpoint<S: ViewStore>(store: &S) -> Option<u64> {
    let checkpoint = store
        .checkpoint("projection:test")
        .await
        .expect("checkpoints can be read");
    checkpoint.map(Position::get)
}

/// Views are written, changed, deleted and loaded by key; the checkpoint moves with them; all of
/// it is there after a restart.
pub async fn views_are_written_with_their_checkpoint<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let (cards, prices) = (model("cards"), model("prices_1"));
    let models = vec![ModelSchema::clone(&cards), ModelSchema::clone(&prices)];
    store
        .prepare(models.clone())
        .await
        .expect("models can be prepared");
    assert_eq!(checkpoint(&*store).await, None);
    assert_eq!(load(&*store, &cards, &["a"]).await, [None]);

    let changes = vec![
        put(&cards, "a", "1"),
        put(&cards, "b", "2"),
        put(&prices, "a", "9"),
    ];
    store
        .commit(batch(None, 3, changes))
        .await
        .expect("the first batch");
    let changes = vec![
        put(&cards, "a", "3"),
        delete(&cards, "b"),
        delete(&cards, "never there"),
    ];
    store
        .commit(batch(Some(3), 5, changes))
        .await
        .expect("the second batch");
    store
        .commit(batch(Some(5), 9, Vec::new()))
        .await
        .expect("a batch without changes");
    let changes = vec![
        put(&cards, "c", "4"),
        put(&cards, "", "5"),
        put(&cards, "\0é'", "6"),
    ];
    store
        .commit(batch(Some(9), 9, changes))
        .await
        .expect("a batch that stays where it is");

    store
        .prepare(models)
        .await
        .expect("preparing again changes nothing");
    drop(store);
    let store = open(fixture).await;
    assert_eq!(checkpoint(&*store).await, Some(9));
    let found = load(&*store, &cards, &["c", "b", "a", "c", "", "\0é'", "A"]).await;
    let found: Vec<_> = found.iter().map(Option::as_deref).collect();
    let expected = [
        Some("4"),
        None,
        Some("3"),
        Some("4"),
        Some("5"),
        Some("6"),
        None,
    ];
    assert_eq!(found, expected, "in the order asked");
    assert_eq!(
        load(&*store, &prices, &["a", "c"]).await,
        [Some("9".to_owned()), None]
    );
    assert!(load(&*store, &prices, &[]).await.is_empty());
    let other = store
        .checkpoint("projection:other")
        .await
        .expect("checkpoints can be read");
    assert_eq!(other, None, "each subscription has its own checkpoint");
}

/// A batch that does not start where the checkpoint is writes nothing and says where it is.
pub async fn a_batch_from_elsewhere_is_fenced<F: ViewFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let cards = model("cards");
    stores[0]
        .prepare(vec![ModelSchema::clone(&cards)])
        .await
        .expect("the model is prepared");
    let fenced = async |from: Option<u64>, found: Option<u64>| {
        for store in &stores {
            let changes = vec![put(&cards, "a", "wrong"), put(&cards, "new", "wrong")];
            let outcome = store.commit(batch(from, 99, changes)).await;
            match outcome {
                Err(ViewCommitError::Moved { found: at }) => {
                    assert_eq!(at.map(Position::get), found, "where the checkpoint is");
                }
                outcome => panic!("a batch from {from:?}, not {found:?}: {outcome:?}"),
            }
        }
    };
    fenced(Some(0), None).await;
    stores[0]
        .commit(batch(None, 0, vec![put(&cards, "a", "1")]))
        .await
        .expect("it is at none");
    fenced(None, Some(0)).await;
    stores[1]
        .commit(batch(Some(0), 4, vec![put(&cards, "a", "2")]))
        .await
        .expect("it is at 0");
    fenced(None, Some(4)).await;
    fenced(Some(0), Some(4)).await;
    fenced(Some(5), Some(4)).await;
    assert_eq!(
        load(&*stores[0], &cards, &["a", "new"]).await,
        [Some("2".to_owned()), None]
    );
    assert_eq!(checkpoint(&*stores[1]).await, Some(4));
}

/// Of many workers that commit from one checkpoint exactly one does, in one process and several.
pub async fn one_of_many_workers_commits<F: ViewFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let cards = model("cards");
    for store in &stores {
        store
            .prepare(vec![ModelSchema::clone(&cards)])
            .await
            .expect("the model is prepared");
    }
    let mut from = None;
    for round in 1..=8 {
        let racers = (0..8).map(|racer| {
            let store = stores[racer % 2].clone();
            let changes = vec![
                put(&cards, "who", &racer.to_string()),
                put(&cards, "round", "1"),
            ];
            let batch = batch(from, round, changes);
            async move { store.commit(batch).await }
        });
        let outcomes = race(racers).await;
        let winners: Vec<_> = (0..8).filter(|racer| outcomes[*racer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "workers that committed from {from:?}");
        for outcome in outcomes {
            match outcome {
                Ok(()) => {}
                Err(ViewCommitError::Moved { found }) => {
                    assert_eq!(found, Some(Position::new(round)));
                }
                Err(error) => panic!("neither done nor fenced: {error}"),
            }
        }
        let who = load(&*stores[1], &cards, &["who"]).await.remove(0);
        assert_eq!(who, Some(winners[0].to_string()), "the winner's view");
        from = Some(round);
    }
}

/// Views and checkpoint become visible together: who reads beside commits never sees the one
/// without the other.
pub async fn views_and_checkpoint_are_seen_together<F: ViewFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let cards = model("cards");
    stores[0]
        .prepare(vec![ModelSchema::clone(&cards)])
        .await
        .expect("the model is prepared");
    let done = Arc::new(AtomicBool::new(false));
    let glimpses = stores.iter().map(|_| watch::Sender::new(0u32));
    let glimpses: Vec<_> = glimpses.collect();
    let readers = stores.iter().zip(&glimpses).map(|(store, glimpses)| {
        let (store, cards, done) = (store.clone(), cards.clone(), done.clone());
        let (glimpses, mut last) = (glimpses.clone(), 0);
        tokio::spawn(async move {
            while !done.load(Ordering::Acquire) {
                let before = checkpoint(&*store).await.unwrap_or_default();
                let views = load(&*store, &cards, &["a", "b"]).await;
                let after = checkpoint(&*store).await.unwrap_or_default();
                assert_eq!(views[0], views[1], "views of one batch are seen together");
                let view = views[0].as_deref();
                let view = view.map_or(0, |view| view.parse().expect("a number"));
                assert!(
                    before <= view && view <= after,
                    "view {view} was seen between the checkpoints {before} and {after}"
                );
                if std::mem::replace(&mut last, after) != after {
                    glimpses.send_modify(|count| *count += 1);
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    // Until every reader has come between commits often enough, however fast the store is.
    let enough = || {
        let often = glimpses.iter().all(|count| *count.borrow() >= 40);
        often || readers.iter().any(tokio::task::JoinHandle::is_finished)
    };
    let mut number = 0;
    while number < 40 || !enough() {
        number += 1;
        let body = number.to_string();
        let changes = vec![put(&cards, "a", &body), put(&cards, "b", &body)];
        let from = (number > 1).then(|| number - 1);
        let outcome = stores[0].commit(batch(from, number, changes)).await;
        outcome.expect("nobody else commits");
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Release);
    finish(readers).await;
}

/// Who loads a view after a commit sees what was committed, however many load at once, and each
/// gets his own.
pub async fn a_load_sees_what_was_committed_before<F: ViewFixture>(fixture: &F) {
    const WRITERS: usize = 16;
    const COMMITS: u64 = 12;
    let store = open(fixture).await;
    let cards = model("cards");
    let prepared = store.prepare(vec![ModelSchema::clone(&cards)]).await;
    prepared.expect("models can be prepared");
    let writers = (0..WRITERS).map(|writer| {
        let (store, cards) = (store.clone(), cards.clone());
        async move {
            let key = format!("card:{writer}");
            for to in 1..=COMMITS {
                let body = format!("{key} at {to}");
                let batch = ViewBatch {
                    subscription: format!("projection:{writer}"),
                    ..batch(
                        Some(to - 1).filter(|from| *from > 0),
                        to,
                        vec![put(&cards, &key, &body)],
                    )
                };
                store.commit(batch).await.expect("nobody else commits");
                let found = load(&*store, &cards, &[&key, "none", &key]).await;
                assert_eq!(
                    found,
                    [Some(body.clone()), None, Some(body)],
                    "what was committed before the load"
                );
            }
        }
    });
    race(writers).await;
}
