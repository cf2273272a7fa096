use cqrs_core::Position;
use cqrs_core::store::{EventLog, EventQuery, EventType, Events, FoldReads, ReadRange};

use super::client::{append, head, log, open};
use super::draft::{Draft, tagged};
use super::random::Random;
use super::reads::assert_within;
use crate::{LogFixture, Outcome};

/// The outcome for a log without reads for folds.
const NOT_CLAIMED: Outcome = Outcome::NotClaimed("reads for folds");

/// Reads for folds return the same events as other reads, in the parts that a fold uses, whether
/// the events of an aggregate are close together or far apart.
pub async fn folds_get_the_events_of_the_specification<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(reads) = store.capabilities().fold_reads else {
        return NOT_CLAIMED;
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
            let tags = match number % 4 {
                0 => [beside, tag],
                _ => [tag, beside],
            };
            draft.event(event_type, &tags)
        });
        append(&*store, &draft).await;
    }
    let log = log(&*store).await;
    let head = head(&*store).await;
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
        let range = ReadRange {
            up_to: random.0.bool().then(|| random.position(&log)),
            limit: random.0.usize(1..=40),
            ..ReadRange::after(random.position(&log))
        };
        let as_of = range.up_to.unwrap_or(head);
        let expected = log
            .iter()
            .filter(|event| event.position > range.after && event.position <= as_of)
            .filter(|event| query.matches_event(event));
        let mut events = Events::read_to_fold(reads, query.clone(), range);
        for expected in expected {
            let event = events.next().await.expect("the log can be read");
            let (position, data) = event.expect("the event is in the log");
            assert_eq!(position, expected.position, "{query:?} in {range:?}");
            assert_eq!(data.event_type, expected.data.event_type);
            assert_eq!(data.version, expected.data.version);
            assert_eq!(data.payload, expected.data.payload);
            let matches = query.matches(&data.event_type, &data.tags);
            assert!(matches, "{query:?}: {data:?}");
        }
        let end = events.next().await.expect("the log can be read");
        assert_eq!(end, None, "{query:?} in {range:?}");
        assert_eq!(events.as_of(), Some(as_of), "I5: {query:?} in {range:?}");
    }
    Outcome::Kept
}

/// Pages of reads for folds are bounded by bytes, like other pages.
pub async fn pages_of_folds_are_bounded_by_bytes<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(reads) = store.capabilities().fold_reads else {
        return NOT_CLAIMED;
    };
    append(&*store, &Draft::of_uneven_sizes()).await;
    let log = log(&*store).await;
    for (query, step) in [
        (EventQuery::All, 1),
        (EventQuery::typed(["even"]), 2),
        (tagged("book:B"), 1),
    ] {
        let expected: Vec<_> = log
            .iter()
            .step_by(step)
            .map(|event| event.position)
            .collect();
        for bytes in [0, 1, 25_000, 100_000] {
            let range = ReadRange {
                bytes,
                ..ReadRange::after(Position::START)
            };
            let positions = pages_within(reads, &query, range).await;
            assert_eq!(positions, expected, "pages of {bytes} bytes of {query:?}");
        }
    }
    Outcome::Kept
}

/// The positions of all events in the range, read page by page within its bytes.
async fn pages_within(
    reads: &dyn FoldReads,
    query: &EventQuery,
    mut range: ReadRange,
) -> Vec<Position> {
    let mut positions = Vec::new();
    loop {
        let page = reads
            .read_to_fold(query.clone(), range)
            .await
            .expect("the log can be read");
        let sizes = page.events.iter().map(|(_, data)| data.payload.len());
        assert_within(sizes, range.bytes);
        positions.extend(page.events.iter().map(|(position, _)| *position));
        let Some(next) = page.next else {
            return positions;
        };
        assert!(next > range.after, "the next page goes on behind this one");
        range.after = next;
        range.up_to = Some(page.as_of);
    }
}
