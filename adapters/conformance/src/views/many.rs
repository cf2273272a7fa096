use cqrs_core::store::{Shard, SortKey, ViewBatch, ViewScan, ViewStore};

use super::client::{commit, load, load_to_fold, open, prepare, scan};
use super::draft::{batch, cards, put, put_sorted};
use super::specification::everything;
use crate::ViewFixture;

/// Views that a projection may write in one batch.
const VIEWS: usize = 1_200;

/// V3: as many views as a projection writes in one batch are loaded and scanned at once.
pub async fn v3_many_views_are_loaded_at_once<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let cards = cards();
    prepare(&*store, &cards).await;
    let keys: Vec<_> = (0..VIEWS).map(|number| format!("card:{number}")).collect();
    let changes = keys.iter().map(|key| put(&cards, key, key));
    commit(&*store, batch(None, 1, changes.collect())).await;

    let asked: Vec<_> = keys.iter().map(String::as_str).collect();
    let expected: Vec<_> = keys.iter().cloned().map(Some).collect();
    let folded = load_to_fold(&*store, &cards, &asked).await;
    assert!(folded == expected, "V3: {VIEWS} views for a projection");
    let loaded = load(&*store, &cards, &asked).await;
    assert!(loaded == expected, "V3: {VIEWS} views for a query");
    let page = scan(&*store, everything(&cards)).await;
    assert_eq!(page.rows.len(), VIEWS, "V3: all views in a scan");
    assert_eq!(page.total, Some(VIEWS as u64));
}

/// V4: keys and values of the largest size are told apart and ordered by their last byte.
pub async fn v4_the_longest_keys_and_values_are_told_apart<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let cards = cards();
    prepare(&*store, &cards).await;
    let long = |last: char| format!("{}{last}", "x".repeat(SortKey::MAX_BYTES - 1));
    let card = |key: char, rank: char| {
        let rank = SortKey::from(long(rank).into_bytes());
        put_sorted(&cards, &long(key), key.to_string().as_bytes(), vec![rank])
    };
    let changes = vec![card('a', '3'), card('b', '1'), card('c', '2')];
    commit(&*store, batch(None, 1, changes)).await;
    let loaded = load(&*store, &cards, &[&long('b'), &long('d'), &long('a')]).await;
    let expected = [Some("b".to_owned()), None, Some("a".to_owned())];
    assert_eq!(loaded, expected, "V4: by keys that differ in the last byte");
    let by_rank = ViewScan {
        order: Some(0),
        ..everything(&cards)
    };
    let page = scan(&*store, by_rank).await;
    let order: Vec<_> = page.rows.into_iter().flat_map(|(_, body)| body).collect();
    assert_eq!(order, b"bca", "V4: by values that differ in the last byte");
}

/// V1: each subscription has its own checkpoint, however long its name is.
pub async fn v1_each_subscription_has_its_own_checkpoint<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    prepare(&*store, &cards()).await;
    let name = |last: u64| format!("projection:{}:{last}", "x".repeat(200));
    for number in 1..=3 {
        let shard = Shard::whole(name(number));
        let batch = ViewBatch {
            shard,
            ..batch(None, number, Vec::new())
        };
        commit(&*store, batch).await;
    }
    for number in 1..=3 {
        let found = store
            .checkpoint(&Shard::whole(name(number)))
            .await
            .expect("checkpoints can be read");
        assert_eq!(
            found.map(|checkpoint| checkpoint.position.get()),
            Some(number),
            "V1: the checkpoint of {}",
            name(number)
        );
    }
}
