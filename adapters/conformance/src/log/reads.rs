use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{EventLog, EventQuery, Events, ReadRange, Recorded};
use cqrs_kit::Subscription;

use super::client::{append, fill, fill_at_random, head, log, matching, open, open_many};
use super::draft::{Draft, tagged, text};
use super::random::Random;
use crate::LogFixture;

/// Reads of every shape, range and limit return the events of the specification: those that match
/// any item, by any of its types and all of its tags, in position order, once each.
pub async fn reads_are_those_of_the_specification<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let mut random = Random::seeded(5);
    let log = fill_at_random(&store, &mut random).await;
    let head = head(&*store).await;
    for _ in 0..250 {
        let (query, after) = (random.query(), random.position(&log));
        let up_to = random.0.bool().then(|| random.position(&log));
        let limit = random.0.usize(1..=40);
        let range = ReadRange {
            up_to,
            limit,
            ..ReadRange::after(after)
        };
        let page = store
            .read(query.clone(), range)
            .await
            .expect("the log can be read");

        let as_of = up_to.unwrap_or(head);
        let all: Vec<_> = log
            .iter()
            .filter(|event| event.position > after && event.position <= as_of)
            .filter(|event| query.matches_event(event))
            .cloned()
            .collect();
        let expected = &all[..limit.min(all.len())];
        assert!(
            page.events == expected,
            "{query:?} in {range:?}: {page:?}, not {expected:?}"
        );
        assert_eq!(page.as_of, as_of, "I5: {query:?} in {range:?}");
        let cut = (all.len() > limit).then(|| expected[limit - 1].position);
        assert_eq!(page.next, cut, "where {query:?} in {range:?} goes on");
    }
}

/// A page ends with the event that reaches its size in bytes, for every query, and the next page
/// continues after it.
pub async fn pages_are_bounded_by_bytes<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    append(&*store, &Draft::of_uneven_sizes()).await;
    let log = log(&*store).await;
    for (query, step) in [
        (EventQuery::All, 1),
        (EventQuery::typed(["even"]), 2),
        (tagged("book:B"), 1),
    ] {
        let expected: Vec<_> = log.iter().step_by(step).cloned().collect();
        for bytes in [0, 1, 25_000, 100_000] {
            let range = ReadRange {
                bytes,
                ..ReadRange::after(Position::START)
            };
            let events = pages_within(&*store, &query, range).await;
            assert!(events == expected, "pages of {bytes} bytes of {query:?}");
        }
    }

    let mut last = Position::START;
    for _ in 0..12 {
        let draft = Draft::new().payload("large", &["book:C"], text(1_000_000));
        last = append(&*store, &draft).await.last;
    }
    let mut log = Subscription::new(store, EventQuery::typed(["large"]), Position::START);
    while log.position() < last {
        let page = log.next(1000).await.expect("the log can be read");
        let sizes = page.events.iter().map(|event| event.data.payload.len());
        assert_within(sizes, ReadRange::PAGE_BYTES);
    }
}

/// All events in the range, read page by page within its bytes.
async fn pages_within<S: EventLog>(
    store: &S,
    query: &EventQuery,
    mut range: ReadRange,
) -> Vec<Arc<Recorded>> {
    let mut events = Vec::new();
    loop {
        let page = store
            .read(query.clone(), range)
            .await
            .expect("the log can be read");
        let sizes = page.events.iter().map(|event| event.data.payload.len());
        assert_within(sizes, range.bytes);
        events.extend(page.events);
        let Some(next) = page.next else {
            return events;
        };
        assert!(next > range.after, "a page has an event, whatever its size");
        range.after = next;
        range.up_to = Some(page.as_of);
    }
}

/// Asserts that the page was not full before its last event.
pub(super) fn assert_within(sizes: impl ExactSizeIterator<Item = usize>, bytes: usize) {
    let count = sizes.len();
    let all_but_last: usize = sizes.take(count.saturating_sub(1)).sum();
    assert!(
        all_but_last < bytes.max(1),
        "a page of {bytes} bytes went on after {all_but_last}"
    );
}

/// A read of the whole log returns every event, over any number of pages.
pub async fn reads_go_on_page_by_page<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let draft = (0..500).fold(Draft::new(), |draft, number| {
        draft.event(if number % 2 == 0 { "even" } else { "odd" }, &["book:B"])
    });
    append(&*store, &draft).await;
    let log = log(&*store).await;
    assert_eq!(log.len(), 500);
    for limit in [1, 7, 250, 500, 1000] {
        let range = ReadRange {
            limit,
            ..ReadRange::after(Position::START)
        };
        for (query, step) in [(EventQuery::All, 1), (EventQuery::typed(["even"]), 2)] {
            let mut events = Events::read(&*store, query, range);
            for expected in log.iter().step_by(step) {
                let event = events.next().await.expect("the log can be read");
                assert_eq!(event.as_ref(), Some(expected), "pages of {limit}");
            }
            let end = events.next().await.expect("the log can be read");
            assert_eq!(end, None, "the end of pages of {limit}");
            assert_eq!(events.as_of(), log.last().map(|last| last.position));
        }
    }
}

/// A tag matches as a whole: neither a prefix of it, nor another case or pattern.
pub async fn tags_match_whole<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let tags = [
        "product:P1",
        "product:P10",
        "product:p1",
        "product:P",
        "order:P1",
        "product:P1 ",
    ];
    for tag in tags {
        let appended = append(&*store, &Draft::new().event("noted", &[tag])).await;
        let found = matching(&*store, tagged(tag)).await;
        let positions: Vec<_> = found.iter().map(|event| event.position).collect();
        assert_eq!(positions, [appended.last], "events of {tag:?}");
    }
    let none = matching(&*store, tagged("product:%")).await;
    assert!(none.is_empty(), "events of a pattern");
}

/// The heads include an append of this process as soon as its result is returned, and the appends
/// of other processes after a read.
pub async fn heads_are_told<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let here = stores[0].heads();
    let waiting = tokio::spawn({
        let store = stores[0].clone();
        async move { store.heads().reached(Position::new(1)).await }
    });
    let mut last = Position::START;
    for _ in 0..5 {
        last = append(&*stores[0], &Draft::new().event("noted", &["book:B"]))
            .await
            .last;
        assert_eq!(here.reached(last).await, last);
    }
    waiting.await.expect("one who waits is told");
    fill(&stores[0], 10, "noted", &["book:B"]).await;
    let end = head(&*stores[1]).await;
    assert!(end > last, "another process learns the head with a read");
    assert_eq!(here.reached(end).await, end);
    assert_eq!(
        stores[0].heads().position(),
        end,
        "a process that asks late is told"
    );
    assert_eq!(
        stores[1].heads().position(),
        end,
        "and remembers what it has read"
    );
    assert_eq!(
        stores[0].heads().log_id(),
        stores[1].heads().log_id(),
        "both have the same log: its id is stored, and passed to `Heads::of_log`"
    );
}
