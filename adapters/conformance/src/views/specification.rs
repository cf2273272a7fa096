use std::ops::Bound;
use std::sync::Arc;

use cqrs_core::store::{IndexRange, ModelSchema, SortKey, ViewChange, ViewPlace, ViewScan};
use fastrand::Rng;

use super::client::{commit, open, prepare, scan};
use super::draft::{batch, model, put_sorted};
use crate::ViewFixture;

/// A view in the test's model of the store.
struct Card {
    key: String,
    body: Vec<u8>,
    sort_keys: [SortKey; 3],
}

/// Keys and values that stores sort wrong: prefixes, case, non-ASCII text, the smallest and largest
/// bytes, empty text.
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
            body: format!("\"{}\"", key.replace('\0', "\\u0000")).into_bytes(),
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

/// All views of the model, by key, with their number.
pub(super) fn everything(model: &Arc<ModelSchema>) -> ViewScan {
    ViewScan {
        model: model.clone(),
        ranges: Vec::new(),
        order: None,
        descending: false,
        after: None,
        skip: 0,
        take: u64::MAX,
        with_total: true,
    }
}

/// A value of an index.
fn sort_key(random: &mut Rng, index: usize) -> SortKey {
    match index {
        0 => SortKey::of(&random.i64(-4..=4)),
        1 => SortKey::from(VALUES[random.usize(..VALUES.len())].to_vec()),
        _ => SortKey::of(&random.bool().then(|| random.u32(..4))),
    }
}

fn bound(random: &mut Rng, index: usize) -> Bound<SortKey> {
    let value = sort_key(random, index);
    match random.u8(..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(value),
        _ => Bound::Excluded(value),
    }
}

fn random_scan(random: &mut Rng, model: &Arc<ModelSchema>) -> ViewScan {
    let mut ranges = Vec::new();
    for _ in 0..random.usize(0..=2) {
        let index = random.usize(..3);
        ranges.push(IndexRange {
            index,
            from: bound(random, index),
            to: bound(random, index),
        });
    }
    let order = random.bool().then(|| random.usize(..3));
    ViewScan {
        ranges,
        order,
        descending: random.bool(),
        after: random.bool().then(|| random_place(random, order)),
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

/// Also of a view that does not exist.
fn random_place(random: &mut Rng, order: Option<usize>) -> ViewPlace {
    ViewPlace {
        sort_key: order.map(|index| sort_key(random, index)),
        key: KEYS[random.usize(..KEYS.len())].to_owned(),
    }
}

/// The views that a scan is documented to return, before `skip` and `take`.
fn expected<'a>(cards: &'a [Card], scan: &ViewScan) -> Vec<&'a Card> {
    let cards = cards.iter();
    let mut found: Vec<_> = cards
        .filter(|card| is_inside(card, scan) && is_after(card, scan))
        .collect();
    found.sort_by_key(|card| place(card, scan));
    if scan.descending {
        found.reverse();
    }
    found
}

/// The place of a card in the order of a scan.
fn place(card: &Card, scan: &ViewScan) -> ViewPlace {
    ViewPlace {
        sort_key: scan.order.map(|index| card.sort_keys[index].clone()),
        key: card.key.clone(),
    }
}

/// Whether a card comes after the place at which the result of a scan begins.
fn is_after(card: &Card, scan: &ViewScan) -> bool {
    let Some(after) = &scan.after else {
        return true;
    };
    let place = place(card, scan);
    if scan.descending {
        place < *after
    } else {
        place > *after
    }
}

/// Whether the sort keys of a card are within all ranges of a scan.
fn is_inside(card: &Card, scan: &ViewScan) -> bool {
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
}

/// Rows in a form that is easy to compare in the message of a failure.
fn text(rows: &[(String, Vec<u8>)]) -> String {
    let texts: Vec<_> = rows
        .iter()
        .map(|(key, body)| format!("{key:?} {}", String::from_utf8_lossy(body)))
        .collect();
    texts.join(", ")
}

/// V4: scans of every shape return the documented views: within all ranges, sorted by index or key
/// with ties by key, ascending or descending, after any place, and limited; the total counts all of them.
pub async fn v4_scans_are_those_of_the_specification<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let mut random = Rng::with_seed(9);
    let model = model("cards", &["rank", "raw", "maybe"]);
    let cards = cards(&mut random);
    prepare(&*store, &model).await;
    for (to, cards) in (1..).zip(cards.chunks(25)) {
        let changes: Vec<ViewChange> = cards
            .iter()
            .map(|card| put_sorted(&model, &card.key, &card.body, card.sort_keys.to_vec()))
            .collect();
        let from = (to > 1).then(|| to - 1);
        commit(&*store, batch(from, to, changes)).await;
    }
    for _ in 0..600 {
        let drawn = random_scan(&mut random, &model);
        let all = expected(&cards, &drawn);
        let skip = usize::try_from(drawn.skip).expect("a small number");
        let take = usize::try_from(drawn.take).unwrap_or(usize::MAX);
        let part = all.iter().skip(skip).take(take);
        let rows: Vec<_> = part
            .map(|card| (card.key.clone(), card.body.clone()))
            .collect();
        let page = scan(&*store, drawn.clone()).await;
        assert!(
            page.rows == rows,
            "V4: {drawn:?}\n  the store: {}\n  specified: {}",
            text(&page.rows),
            text(&rows)
        );
        let total = drawn.with_total.then_some(all.len() as u64);
        assert_eq!(page.total, total, "V4: the total of {drawn:?}");
    }
}
