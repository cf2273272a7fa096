use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::Position;
use cqrs_core::store::{EventLog, EventPage, EventQuery, ReadRange, Recorded};

use super::client::{append, fill, head, log, matching, open, open_many};
use super::draft::{Draft, only, tagged};
use crate::LogFixture;
use crate::tasks::finish;

/// Matching events in `(after, up_to]`.
fn expected(
    log: &[Arc<Recorded>],
    query: &EventQuery,
    after: Position,
    up_to: Position,
) -> Vec<Arc<Recorded>> {
    log.iter()
        .filter(|event| event.position > after && event.position <= up_to)
        .filter(|event| query.matches_event(event))
        .cloned()
        .collect()
}

/// I5: a slow read, page by page, sees one snapshot, even with commits between its pages.
pub async fn i5_a_slow_read_sees_one_snapshot<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    fill(&stores[0], 20, "noted", &["book:B"]).await;
    fill(&stores[0], 10, "noted", &["book:C"]).await;
    let as_of = head(&*stores[0]).await;
    for query in [
        EventQuery::All,
        tagged("book:B"),
        only(&["noted"], &["book:B"]),
    ] {
        let before = expected(&log(&*stores[0]).await, &query, Position::START, as_of);
        let mut range = ReadRange {
            limit: 3,
            ..ReadRange::after(Position::START)
        };
        let mut seen = Vec::new();
        let now = head(&*stores[0]).await;
        loop {
            let page = stores[0].read(query.clone(), range).await.expect("a page");
            assert_eq!(
                page.as_of,
                range.up_to.unwrap_or(now),
                "I5: the snapshot stays"
            );
            assert!(page.events.len() <= 3, "a page has at most `limit` events");
            seen.extend(page.events);
            let Some(next) = page.next else { break };
            range = ReadRange {
                after: next,
                up_to: Some(page.as_of),
                ..range
            };
            for store in &stores {
                append(&**store, &Draft::new().event("noted", &["book:B"])).await;
            }
        }
        let all = expected(&log(&*stores[0]).await, &query, Position::START, now);
        assert!(
            seen == all,
            "I5: a slow read of {query:?} is of one snapshot"
        );
        assert!(seen.starts_with(&before));
    }
}

/// I5: a read beside commits returns every matching event in `(after, as_of]`, and `as_of` is never
/// behind an append that this process had acknowledged, nor behind an earlier read.
pub async fn i5_as_of_tells_what_was_seen<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..4 {
        let store = stores[writer % 2].clone();
        writers.push(tokio::spawn(async move {
            for number in 0..20 {
                let tag = format!("book:{}", number % 3);
                let draft = Draft::new()
                    .event("noted", &[&tag])
                    .event("noted", &["book:1"]);
                let answer = append(&*store, &draft).await;
                let range = ReadRange {
                    limit: 1,
                    ..ReadRange::after(answer.last)
                };
                let page = store.read(EventQuery::All, range).await.expect("a page");
                assert!(
                    page.as_of >= answer.last,
                    "I5: a process reads its own writes"
                );
                assert!(
                    head(&*store).await >= answer.last,
                    "a process knows its own head"
                );
            }
        }));
    }
    let mut readers = Vec::new();
    for query in [
        EventQuery::All,
        tagged("book:1"),
        only(&["noted"], &["book:2"]),
    ] {
        for store in &stores {
            let reader = read_until(store.clone(), query.clone(), done.clone());
            readers.push(tokio::spawn(reader));
        }
    }
    finish(writers).await;
    done.store(true, Ordering::Release);

    let log = log(&*stores[0]).await;
    for reads in finish(readers).await {
        let mut last = Position::START;
        for (query, after, page) in reads {
            assert!(
                page.as_of >= last,
                "I5: `as_of` went back from {last} to {}",
                page.as_of
            );
            last = page.as_of;
            let end = page.next.unwrap_or(page.as_of);
            let expected = expected(&log, &query, after, end);
            assert!(
                page.events == expected,
                "I5: {query:?} in ({after}, {end}] read {page:?}"
            );
        }
    }
}

/// A page, with its query and its start.
type QueriedPage = (EventQuery, Position, EventPage);

/// Reads pages one after the other, and starts over at each end, until `done`.
async fn read_until<S: EventLog>(
    store: Arc<S>,
    query: EventQuery,
    done: Arc<AtomicBool>,
) -> Vec<QueriedPage> {
    let mut reads = Vec::new();
    let mut after = Position::START;
    loop {
        let last_time = done.load(Ordering::Acquire);
        let range = ReadRange {
            limit: 9,
            ..ReadRange::after(after)
        };
        let page = store.read(query.clone(), range).await.expect("a page");
        let next = page.next.unwrap_or_default();
        reads.push((query.clone(), std::mem::replace(&mut after, next), page));
        if last_time {
            return reads;
        }
        tokio::task::yield_now().await;
    }
}

/// I5: a read limited to an earlier position reports it in `as_of`. A read that is limited to a
/// later position, or begins there, sees no further than the head.
pub async fn i5_a_read_may_end_earlier<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let empty = store
        .read(EventQuery::All, ReadRange::after(Position::START))
        .await
        .expect("an empty log can be read");
    assert!(empty.events.is_empty() && empty.next.is_none());
    assert_eq!(empty.as_of, Position::START, "as of an empty log");

    fill(&store, 10, "noted", &["book:B"]).await;
    let log = log(&*store).await;
    let position = |number: usize| match number.checked_sub(1) {
        None => Position::START,
        Some(index) if index < log.len() => log[index].position,
        Some(index) => log[9].position.plus(index as u64),
    };
    for query in [EventQuery::All, tagged("book:B")] {
        for (after, up_to, count, as_of) in [
            (0, 4, 4, 4),
            (3, 4, 1, 4),
            (4, 4, 0, 4),
            (0, 99, 10, 10),
            (9, 99, 1, 10),
            (99, 200, 0, 10),
        ] {
            let range = ReadRange {
                up_to: Some(position(up_to)),
                ..ReadRange::after(position(after))
            };
            let page = store.read(query.clone(), range).await.expect("a page");
            assert_eq!(page.next, None, "the limit did not cut the page short");
            assert_eq!(
                (page.events.len(), page.as_of),
                (count, position(as_of)),
                "I5: a read after event {after} up to event {up_to}"
            );
        }
    }
    assert!(matching(&*store, EventQuery::NONE).await.is_empty());
}
