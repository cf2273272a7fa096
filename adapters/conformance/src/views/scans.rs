use std::ops::Bound;
use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    Incarnation, IndexRange, ModelSchema, ViewBatch, ViewChange, ViewRow, ViewScan, ViewStore,
};
use cqrs_core::views::SortKey;
use fastrand::Rng;

use super::client::{open, open_many};
use crate::ViewFixture;
use crate::tasks::both;

/// A view as the test remembers it.
struct Card {
    key: String,
    body: Vec<u8>,
    sort_keys: [SortKey; 3],
}

/// Keys and values that sort in ways that stores get wrong: prefixes, case, what is not ASCII, the
/// smallest and largest bytes, nothing at all.
const KEYS: [&str; 12] = [
    "", "a", "A", "ab", "a b", "é", "z", "Z", "10", "9", "日本", "a\u{0}",
];
const VALUES: [&[u8]; 8] = [
    b"",
    b"\0",
    b"\0\0",
    b"a",
    b"ab",
    b"b",
    b"\x7f\xff",
    b"\xff\xff\xff",
];

fn cards(random: &mut Rng) -> Vec<Card> {
    let suffixes = ["", "-1", "-2", "-3", "-4"];
    let keys = KEYS
        .iter()
        .flat_map(|key| suffixes.map(|suffix| format!("{key}{suffix}")));
    let mut cards: Vec<_> = keys
        .map(|key| Card {
            body: format!("{{\"key\":{key:?}}}").into_bytes(),
            sort_keys: [
                SortKey::of(&random.i64(-3..=3)),
                SortKey::from(VALUES[random.usize(..VALUES.len())].to_vec()),
                SortKey::of(&random.bool().then(|| random.u32(..4))),
            ],
            key,
        })
        .collect();
    random.shuffle(&mut cards);
    cards
}

async fn write<S: ViewStore>(store: &S, model: &Arc<ModelSchema>, cards: &[Card]) {
    store
        .prepare(vec![ModelSchema::clone(model)])
        .await
        .expect("the model is prepared");
    let change = |card: &Card| ViewChange {
        model: model.clone(),
        key: card.key.clone(),
        view: Some((card.body.clone(), card.sort_keys.to_vec())),
    };
    let mut from = None;
    for (to, cards) in (1..).zip(cards.chunks(25)) {
        let (subscription, to) = ("projection:cards".to_owned(), Position::new(to));
        let changes = cards.iter().map(change).collect();
        let batch = ViewBatch {
            subscription,
            from,
            to,
            incarnation: Incarnation::default(),
            changes,
        };
        store.commit(batch).await.expect("the views are written");
        from = Some(to);
    }
}

fn model() -> Arc<ModelSchema> {
    Arc::new(ModelSchema {
        table: "cards".to_owned(),
        indexes: vec!["rank", "raw", "maybe"],
    })
}

fn everything(model: &Arc<ModelSchema>) -> ViewScan {
    ViewScan {
        model: model.clone(),
        ranges: Vec::new(),
        order: None,
        descending: false,
        skip: 0,
        take: u64::MAX,
        with_total: true,
    }
}

fn bound(random: &mut Rng, index: usize) -> Bound<SortKey> {
    let value = match index {
        0 => SortKey::of(&random.i64(-4..=4)),
        1 => SortKey::from(VALUES[random.usize(..VALUES.len())].to_vec()),
        _ => SortKey::of(&random.bool().then(|| random.u32(..4))),
    };
    match random.u8(..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(value),
        _ => Bound::Excluded(value),
    }
}

fn scan(random: &mut Rng, model: &Arc<ModelSchema>) -> ViewScan {
    let ranges = (0..random.usize(0..=2)).map(|_| {
        let index = random.usize(..3);
        IndexRange {
            index,
            from: bound(random, index),
            to: bound(random, index),
        }
    });
    let ranges = ranges.collect();
    ViewScan {
        ranges,
        order: random.bool().then(|| random.usize(..3)),
        descending: random.bool(),
        skip: if random.bool() { 0 } else { random.u64(..70) },
        take: if random.bool() {
            u64::MAX
        } else {
            random.u64(..20)
        },
        with_total: random.bool(),
        ..everything(model)
    }
}

/// What a scan gives, from its documentation: all matching, in order, before `skip` and `take`.
fn expected<'a>(cards: &'a [Card], scan: &ViewScan) -> Vec<&'a Card> {
    let inside = |card: &&Card| {
        scan.ranges.iter().all(|range| {
            let key = &card.sort_keys[range.index];
            let above = match &range.from {
                Bound::Included(from) => key >= from,
                Bound::Excluded(from) => key > from,
                Bound::Unbounded => true,
            };
            let below = match &range.to {
                Bound::Included(to) => key <= to,
                Bound::Excluded(to) => key < to,
                Bound::Unbounded => true,
            };
            above && below
        })
    };
    let mut found: Vec<_> = cards.iter().filter(inside).collect();
    found.sort_by_key(|card| {
        (
            scan.order.map(|index| card.sort_keys[index].clone()),
            card.key.clone(),
        )
    });
    if scan.descending {
        found.reverse();
    }
    found
}

/// Scans of every shape give what their documentation says: within all ranges, sorted by index or
/// key, ties by key, from either end, a part of it; and the total counts the whole.
pub async fn scans_are_those_of_the_specification<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let mut random = Rng::with_seed(9);
    let (model, cards) = (model(), cards(&mut random));
    write(&*store, &model, &cards).await;
    for _ in 0..300 {
        let scan = scan(&mut random, &model);
        let all = expected(&cards, &scan);
        let part = all
            .iter()
            .skip(usize::try_from(scan.skip).expect("a small number"));
        let part = part.take(usize::try_from(scan.take).unwrap_or(usize::MAX));
        let part = part.map(|card| ViewRow {
            key: card.key.clone(),
            body: card.body.clone(),
        });
        let page = store
            .scan(scan.clone())
            .await
            .expect("views can be scanned");
        assert_eq!(page.rows, part.collect::<Vec<_>>(), "{scan:?}");
        let total = scan.with_total.then_some(all.len() as u64);
        assert_eq!(page.total, total, "the total of {scan:?}");
    }
}

/// A view that is written again is found by its new values and no longer by its old ones, and one
/// that is deleted is not found at all.
pub async fn scans_follow_changes<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let model = model();
    let card = |key: &str, rank: i64| Card {
        key: key.to_owned(),
        body: rank.to_string().into_bytes(),
        sort_keys: [SortKey::of(&rank), SortKey::default(), SortKey::default()],
    };
    write(&*store, &model, &[card("a", 1), card("b", 2), card("c", 3)]).await;
    let view = |rank: i64| {
        let keys = vec![SortKey::of(&rank), SortKey::default(), SortKey::default()];
        Some((rank.to_string().into_bytes(), keys))
    };
    let change = |key: &str, view| ViewChange {
        model: model.clone(),
        key: key.to_owned(),
        view,
    };
    let batch = ViewBatch {
        subscription: "projection:cards".to_owned(),
        from: Some(Position::new(1)),
        to: Position::new(2),
        incarnation: Incarnation::default(),
        changes: vec![
            change("a", view(9)),
            change("b", None),
            change("d", view(2)),
        ],
    };
    store.commit(batch).await.expect("the views are changed");

    let keys = async |scan: ViewScan| {
        let page = store.scan(scan).await.expect("views can be scanned");
        assert_eq!(page.total, Some(page.rows.len() as u64));
        page.rows
            .into_iter()
            .map(|row| row.key)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let ranked = |from: i64, to: i64| {
        let (from, to) = (
            Bound::Included(SortKey::of(&from)),
            Bound::Included(SortKey::of(&to)),
        );
        let ranges = vec![IndexRange { index: 0, from, to }];
        ViewScan {
            ranges,
            order: Some(0),
            ..everything(&model)
        }
    };
    assert_eq!(keys(everything(&model)).await, "a c d");
    assert_eq!(keys(ranked(1, 2)).await, "d");
    assert_eq!(keys(ranked(2, 9)).await, "d c a");
    assert_eq!(
        keys(ranked(9, 2)).await,
        "",
        "a range from above to below is empty"
    );
}

/// What a scan returns and the total it counts are of one moment, however many views are written
/// at the time.
pub async fn scans_see_one_snapshot<F: ViewFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let model = model();
    write(&*stores[0], &model, &[]).await;
    let write_one_by_one = async {
        for number in 1..=200 {
            let rank = SortKey::of(&i64::from(number));
            let change = ViewChange {
                model: model.clone(),
                key: format!("{number:03}"),
                view: Some((
                    vec![b'1'],
                    vec![rank, SortKey::default(), SortKey::default()],
                )),
            };
            let position = |number: u32| Position::new(number.into());
            let batch = ViewBatch {
                subscription: "projection:cards".to_owned(),
                from: (number > 1).then(|| position(number - 1)),
                to: position(number),
                incarnation: Incarnation::default(),
                changes: vec![change],
            };
            stores[0].commit(batch).await.expect("the view is written");
            tokio::task::yield_now().await;
        }
    };
    let scan_all = async {
        let mut seen = 0;
        while seen < 200 {
            let ranked = ViewScan {
                order: Some(0),
                skip: seen / 2,
                ..everything(&model)
            };
            let page = stores[1].scan(ranked).await.expect("views can be scanned");
            let total = page.total.expect("it was asked for");
            let rows = page.rows.len() as u64 + seen / 2;
            assert_eq!(total, rows, "total and rows are of one snapshot");
            assert!(total >= seen, "no view disappears");
            seen = total;
            tokio::task::yield_now().await;
        }
    };
    both(write_one_by_one, scan_all).await;
    let beyond = ViewScan {
        skip: 500,
        take: 10,
        ..everything(&model)
    };
    let page = stores[1].scan(beyond).await.expect("views can be scanned");
    assert_eq!((page.rows, page.total), (Vec::new(), Some(200)));
}
