use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    EventData, EventLog, EventQuery, EventType, Events, ReadRange, Recorded, Subscription,
};

use super::client::{append, fill, head, log, open, open_many, send_all};
use super::draft::{Draft, tagged};
use super::random::Random;
use crate::{LogFixture, Outcome};

/// A read of whatever shape, range and limit gives what the specification says: events that match
/// any item, each of which has any of the types and all of the tags; in position order, once each.
pub async fn reads_are_those_of_the_specification<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let mut random = Random::seeded(5);
    let drafts = (0..150).map(|_| random.event()).collect();
    send_all(&store, drafts)
        .await
        .into_iter()
        .for_each(|outcome| {
            outcome.expect("an append without a boundary succeeds");
        });
    let log = log(&*store).await;
    for _ in 0..250 {
        let (query, after) = (random.query(), random.position(log.len()));
        let up_to = random.0.bool().then(|| random.position(log.len()));
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

        let as_of = up_to.unwrap_or(Position::new(log.len() as u64));
        let within = |event: &&Arc<Recorded>| event.position > after && event.position <= as_of;
        let all = log
            .iter()
            .filter(within)
            .filter(|event| query.matches_event(event));
        let all: Vec<_> = all.cloned().collect();
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

/// What is read for a fold is what any read has, as far as a fold looks at it, whether the events of
/// an aggregate are close together or far apart.
pub async fn folds_get_the_events_of_the_specification<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(reads) = store.capabilities().fold_reads else {
        return Outcome::NotClaimed("reads for folds");
    };
    let mut random = Random::seeded(6);
    for rare in [2, 40] {
        let draft = (0..200).fold(Draft::new(), |draft, number| {
            let (tag, beside) = match number % rare {
                0 => ("a:1", "a:\"1"),
                1 => ("a:10", "x,\"a:1"),
                _ => ("b:1", "c:1"),
            };
            let event_type = if number % 3 == 0 { "opened" } else { "moved" };
            let tags = if number % 4 == 0 {
                [beside, tag]
            } else {
                [tag, beside]
            };
            draft.event(event_type, &tags)
        });
        append(&*store, &draft).await;
    }
    let log = log(&*store).await;
    let some = ["a:1", "a:10", "a:\"1", "x,\"a:1", "b:1", "c:1", "d:1"];
    for round in 0..150 {
        let mut query = match some.get(round % 10) {
            Some(tag) => tagged(tag),
            None => random.query(),
        };
        if let (true, EventQuery::Items(items)) = (random.0.bool(), &mut query) {
            for item in items {
                item.types = vec![EventType::new("opened")];
            }
        }
        let after = random.position(log.len());
        let up_to = random.0.bool().then(|| random.position(log.len()));
        let limit = random.0.usize(1..=40);
        let range = ReadRange {
            up_to,
            limit,
            ..ReadRange::after(after)
        };
        let as_of = up_to.unwrap_or(Position::new(log.len() as u64));
        let expected = log
            .iter()
            .filter(|event| event.position > after && event.position <= as_of)
            .filter(|event| query.matches_event(event));
        let mut events = Events::read_to_fold(reads, query.clone(), range);
        for expected in expected {
            let event = events.next().await.expect("the log can be read");
            let event = event.expect("the event is in the log");
            let (position, data) = event;
            assert_eq!(position, expected.position, "{query:?} in {range:?}");
            assert_eq!(data.event_type, expected.data.event_type);
            assert_eq!(data.version, expected.data.version);
            assert_eq!(data.payload, expected.data.payload);
            assert!(
                query.matches(&data.event_type, &data.tags),
                "{query:?}: {data:?}"
            );
        }
        let end = events.next().await.expect("the log can be read");
        assert_eq!(end, None, "{query:?} in {range:?}");
        assert_eq!(events.as_of(), Some(as_of), "I5: {query:?} in {range:?}");
    }
    Outcome::Kept
}

/// A page ends with the event that takes it to its bytes, whatever is read and by whom, and the next
/// one goes on behind it.
pub async fn pages_are_bounded_by_bytes<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let draft = (0..60).fold(Draft::new(), |draft, number| {
        let size = if number == 30 { 500_000 } else { 10_000 };
        let event_type = if number % 2 == 0 { "even" } else { "odd" };
        draft.payload(event_type, &["book:B"], text(size))
    });
    append(&*store, &draft).await;
    let queries = [
        (EventQuery::All, 1),
        (EventQuery::typed(["even"]), 2),
        (tagged("book:B"), 1),
    ];
    for (query, step) in queries {
        for bytes in [0, 1, 25_000, 100_000] {
            for to_fold in [false, true] {
                let range = ReadRange {
                    bytes,
                    ..ReadRange::after(Position::START)
                };
                let positions = pages_within(&*store, &query, range, to_fold).await;
                let expected: Vec<_> = (1..=60).step_by(step).map(Position::new).collect();
                assert_eq!(positions, expected, "pages of {bytes} bytes of {query:?}");
            }
        }
    }

    for _ in 0..12 {
        let draft = Draft::new().payload("large", &["book:C"], text(1_000_000));
        append(&*store, &draft).await;
    }
    let mut log = Subscription::new(store, EventQuery::typed(["large"]), Position::START);
    while log.position() < Position::new(72) {
        let page = log.next(1000).await.expect("the log can be read");
        let events = page.events.iter().map(|event| &event.data);
        assert_within(events, ReadRange::PAGE_BYTES);
    }
}

/// The positions of all events in the range, read page by page within its bytes.
async fn pages_within<S: EventLog>(
    store: &S,
    query: &EventQuery,
    mut range: ReadRange,
    to_fold: bool,
) -> Vec<Position> {
    let mut positions = Vec::new();
    loop {
        let reads = store.capabilities().fold_reads.filter(|_| to_fold);
        let (next, as_of) = if let Some(reads) = reads {
            let page = reads.read_to_fold(query.clone(), range).await;
            let page = page.expect("the log can be read");
            assert_within(page.events.iter().map(|(_, data)| data), range.bytes);
            positions.extend(page.events.iter().map(|(position, _)| *position));
            (page.next, page.as_of)
        } else {
            let page = store.read(query.clone(), range).await;
            let page = page.expect("the log can be read");
            assert_within(page.events.iter().map(|event| &event.data), range.bytes);
            positions.extend(page.events.iter().map(|event| event.position));
            (page.next, page.as_of)
        };
        let Some(next) = next else {
            return positions;
        };
        assert!(next > range.after, "a page has an event, whatever its size");
        range.after = next;
        range.up_to = Some(as_of);
    }
}

/// No event is in the page that follows one with which it was full.
fn assert_within<'a>(events: impl ExactSizeIterator<Item = &'a EventData>, bytes: usize) {
    let count = events.len().saturating_sub(1);
    let payloads = events.take(count).map(|event| event.payload.len());
    let all_but_last: usize = payloads.sum();
    assert!(
        all_but_last < bytes.max(1),
        "a page of {bytes} bytes went on after {all_but_last}"
    );
}

/// JSON of this size.
fn text(size: usize) -> Vec<u8> {
    format!("\"{}\"", "x".repeat(size - 2)).into_bytes()
}

/// A read that wants everything gets everything, however many pages it takes.
pub async fn reads_go_on_page_by_page<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let draft = (0..500).fold(Draft::new(), |draft, number| {
        draft.event(if number % 2 == 0 { "even" } else { "odd" }, &["book:B"])
    });
    append(&*store, &draft).await;
    for limit in [1, 7, 250, 500, 1000] {
        let range = ReadRange {
            limit,
            ..ReadRange::after(Position::START)
        };
        for (query, step) in [(EventQuery::All, 1), (EventQuery::typed(["even"]), 2)] {
            let mut events = Events::read(&*store, query, range);
            let mut expected = 1;
            while let Some(event) = events.next().await.expect("the log can be read") {
                assert_eq!(event.position.get(), expected, "pages of {limit}");
                expected += step;
            }
            assert_eq!(expected, 501, "the end of pages of {limit}");
            assert_eq!(events.as_of(), Some(Position::new(500)));
        }
    }
}

/// An aggregate without events, and one whose id is the beginning of another's, is not mistaken.
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
        append(&*store, &Draft::new().event("noted", &[tag])).await;
    }
    for (tag, number) in tags.into_iter().zip(1..) {
        let found = super::client::matching(&*store, tagged(tag)).await;
        let found: Vec<_> = found.iter().map(|event| event.position.get()).collect();
        assert_eq!(found, [number], "events of {tag:?}");
    }
    assert!(
        super::client::matching(&*store, tagged("product:%"))
            .await
            .is_empty()
    );
}

/// The store tells when this process appended, no later than the answer's receiver can ask; and a
/// process that reads learns what others appended.
pub async fn watchers_are_told<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let mut here = stores[0].heads().watch();
    for _ in 0..5 {
        let last = append(&*stores[0], &Draft::new().event("noted", &["book:B"]))
            .await
            .last;
        assert_eq!(here.reached(last).await, last);
    }
    fill(&stores[0], 10, "noted", &["book:B"]).await;
    assert_eq!(here.reached(Position::new(15)).await, Position::new(15));
    assert_eq!(
        head(&*stores[1]).await,
        Position::new(15),
        "another process's head"
    );
    assert_eq!(
        stores[0].heads().position(),
        Position::new(15),
        "who comes late is told, too"
    );
    assert_eq!(
        stores[0].heads().log_id(),
        stores[1].heads().log_id(),
        "both have the same log"
    );
}
