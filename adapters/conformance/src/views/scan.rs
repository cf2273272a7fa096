use std::ops::Bound;

use cqrs_core::store::{IndexRange, SortKey, ViewScan};

use super::client::{commit, open, open_many, prepare, scan};
use super::draft::{batch, cards, delete, put_sorted};
use super::specification::everything;
use crate::ViewFixture;
use crate::tasks::both;

/// V4: a view that is written again is found by its new values only. A deleted view is not found.
pub async fn v4_scans_follow_changes<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let cards = cards();
    prepare(&*store, &cards).await;
    let ranked = |key: &str, rank: i64| {
        let body = rank.to_string().into_bytes();
        put_sorted(&cards, key, &body, vec![SortKey::of(&rank)])
    };
    let first = vec![ranked("a", 1), ranked("b", 2), ranked("c", 3)];
    commit(&*store, batch(None, 1, first)).await;
    let second = vec![ranked("a", 9), delete(&cards, "b"), ranked("d", 2)];
    commit(&*store, batch(Some(1), 2, second)).await;

    let keys = async |drawn: ViewScan| {
        let page = scan(&*store, drawn).await;
        assert_eq!(page.total, Some(page.rows.len() as u64));
        let keys: Vec<_> = page.rows.into_iter().map(|(key, _)| key).collect();
        keys.join(" ")
    };
    let within = |from: i64, to: i64| ViewScan {
        ranges: vec![IndexRange {
            index: 0,
            from: Bound::Included(SortKey::of(&from)),
            to: Bound::Included(SortKey::of(&to)),
        }],
        order: Some(0),
        ..everything(&cards)
    };
    assert_eq!(keys(everything(&cards)).await, "a c d", "V4: all views");
    assert_eq!(keys(within(1, 2)).await, "d", "V4: by an old value");
    assert_eq!(keys(within(2, 9)).await, "d c a", "V4: by new values");
    let nothing = keys(within(9, 2)).await;
    assert_eq!(nothing, "", "V4: a range from above to below is empty");
}

/// V4: the rows of a scan and its total are of one moment, even beside writes.
pub async fn v4_rows_and_total_are_of_one_snapshot<F: ViewFixture>(fixture: &F) {
    const VIEWS: u64 = 200;
    let stores = open_many(fixture, 2).await;
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    let write_one_by_one = async {
        for number in 1..=VIEWS {
            let rank = vec![SortKey::of(&number)];
            let change = put_sorted(&cards, &format!("{number:03}"), b"1", rank);
            let from = (number > 1).then(|| number - 1);
            commit(&*stores[0], batch(from, number, vec![change])).await;
            tokio::task::yield_now().await;
        }
    };
    let scan_all = async {
        let mut seen = 0;
        while seen < VIEWS {
            let second_half = ViewScan {
                order: Some(0),
                skip: seen / 2,
                ..everything(&cards)
            };
            let page = scan(&*stores[1], second_half).await;
            let total = page.total.expect("it was asked for");
            let rows = page.rows.len() as u64 + seen / 2;
            assert_eq!(total, rows, "V4: total and rows are of one snapshot");
            assert!(total >= seen, "V4: no view disappears");
            seen = total;
            tokio::task::yield_now().await;
        }
    };
    both(write_one_by_one, scan_all).await;
    let beyond = ViewScan {
        skip: 500,
        take: 10,
        ..everything(&cards)
    };
    let page = scan(&*stores[1], beyond).await;
    assert_eq!((page.rows, page.total), (Vec::new(), Some(VIEWS)));
}
