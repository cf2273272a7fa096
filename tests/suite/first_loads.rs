//! First loads of aggregates on PostgreSQL: several share a statement, and each is as of one head.

use std::sync::atomic::Ordering;

use cqrs_core::store::{
    Append, EventData, EventLog, EventPage, EventQuery, EventQueryItem, EventType, ReadRange, Tag,
};
use cqrs_core::{CommandId, Position};
use cqrs_postgres::Postgres;
use futures_util::future::join_all;

use crate::outage::proxy::Proxy;
use crate::support::postgres::Schema;

/// Number of aggregates. The one with number n has n events of the type `even` and n of `odd`.
const AGGREGATES: u64 = 80;

/// Limit of the pages, which some aggregates exceed.
const PAGE: usize = 64;

fn tag(aggregate: u64) -> Tag {
    Tag::new("book", aggregate)
}

fn event(event_type: &'static str, aggregate: u64, payload: &str) -> EventData {
    EventData {
        event_type: EventType::new(event_type),
        version: 1,
        tags: [tag(aggregate), Tag::new("shelf", "1")]
            .into_iter()
            .collect(),
        payload: payload.as_bytes().to_vec(),
    }
}

/// Writes the events of all aggregates, interleaved.
async fn write(store: &Postgres) {
    let events = (1..AGGREGATES).flat_map(|round| {
        (round..AGGREGATES).flat_map(move |aggregate| {
            let payload = format!("[{round}]");
            ["even", "odd"].map(|name| event(name, aggregate, &payload))
        })
    });
    let append = Append::new(CommandId::new(), events.collect());
    store.append(append).await.expect("they are appended");
}

fn item(tag: Tag, types: &[&'static str]) -> EventQueryItem {
    EventQueryItem {
        types: types.iter().copied().map(EventType::new).collect(),
        tags: vec![tag],
    }
}

fn query(aggregate: u64, types: &[&'static str]) -> EventQuery {
    EventQuery::Items(vec![item(tag(aggregate), types)])
}

/// The first pages from the start of the log, of at most [`PAGE`] events.
fn start() -> ReadRange {
    ReadRange {
        limit: PAGE,
        ..ReadRange::after(Position::START)
    }
}

type Page = EventPage<(Position, EventData)>;

async fn first_page(store: &Postgres, query: EventQuery, range: ReadRange) -> Page {
    let reads = store.capabilities().fold_reads;
    let reads = reads.expect("PostgreSQL has reads for folds");
    let page = reads.read_to_fold(query, range).await;
    page.expect("the log can be read")
}

/// Fails unless the page has exactly the first events of the query in the range, with all tags that the
/// query names.
async fn assert_whole(store: &Postgres, query: &EventQuery, range: ReadRange, page: &Page) {
    let whole = ReadRange {
        up_to: Some(page.as_of),
        ..range
    };
    let whole = store.read(query.clone(), whole).await;
    let whole = whole.expect("the log can be read");
    let is_all = whole.next.is_none() && whole.events.len() == page.events.len();
    assert!(is_all || page.next.is_some(), "{query:?} in {range:?}");
    let range = ReadRange {
        up_to: Some(page.next.unwrap_or(page.as_of)),
        ..range
    };
    let expected = store.read(query.clone(), range).await;
    let expected = expected.expect("the log can be read").events;
    let found: Vec<_> = page
        .events
        .iter()
        .map(|(position, data)| seen(query, *position, data))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|event| seen(query, event.position, &event.data))
        .collect();
    assert_eq!(found, expected, "{query:?} in {range:?}");
}

/// The parts of an event that a page has for this query.
fn seen<'e>(
    query: &EventQuery,
    position: Position,
    event: &'e EventData,
) -> (Position, &'e str, &'e [u8], Vec<bool>) {
    let EventQuery::Items(items) = query else {
        panic!("these tests have no other queries");
    };
    let named = items.iter().flat_map(|item| &item.tags);
    let tags = named.map(|tag| event.tags.contains(tag)).collect();
    (position, event.event_type.as_str(), &event.payload, tags)
}

#[tokio::test]
async fn concurrent_first_loads_share_statements() {
    const TEST: &str = "concurrent_first_loads_share_statements";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let (proxy, trips) = Proxy::counting(schema.url(), "AS wanted (tag, after, place)").await;
    let store = schema.options().pool_size(1);
    let store = store.connect(&proxy.url(schema.url())).await;
    let store = store.expect("PostgreSQL can be connected to");
    write(&store).await;
    // Prepares the statement.
    first_page(&store, query(0, &["even"]), start()).await;
    let before = trips.load(Ordering::Relaxed);
    let pages = join_all((0..AGGREGATES).map(|aggregate| {
        let store = &store;
        async move {
            let query = query(aggregate, &["even"]);
            let page = first_page(store, query.clone(), start()).await;
            (query, page)
        }
    }));
    let pages = pages.await;
    // Two begin at once, and the third statement answers all others.
    assert_eq!(trips.load(Ordering::Relaxed) - before, 3);
    for (aggregate, (query, page)) in pages.iter().enumerate() {
        assert_whole(&store, query, start(), page).await;
        assert_eq!(page.events.len(), aggregate.min(PAGE));
        assert_eq!(page.next.is_some(), aggregate > PAGE, "{query:?}");
    }
}

#[tokio::test]
async fn a_first_load_of_several_aggregates_shares_its_statement_with_others() {
    const TEST: &str = "a_first_load_of_several_aggregates_shares_its_statement_with_others";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let (proxy, trips) = Proxy::counting(schema.url(), "AS wanted (tag, after, place)").await;
    let store = schema.options().pool_size(1);
    let store = store.connect(&proxy.url(schema.url())).await;
    let store = store.expect("PostgreSQL can be connected to");
    write(&store).await;
    let shelf = || Tag::new("shelf", "1");
    // Few enough for one statement, which has a maximum size.
    let queries = (0..60).map(|aggregate| {
        let second = match aggregate % 4 {
            // All of the events have both tags, and one type matches by the first tag only.
            0 => item(shelf(), &["odd"]),
            1 => item(tag(AGGREGATES - aggregate), &["odd"]),
            2 => item(tag(aggregate), &["odd"]),
            _ => item(Tag::new("book", "unknown"), &["odd"]),
        };
        EventQuery::Items(vec![item(tag(aggregate), &["even"]), second])
    });
    let queries: Vec<_> = queries.collect();
    // Prepares the statement.
    first_page(&store, queries[0].clone(), start()).await;
    let before = trips.load(Ordering::Relaxed);
    let pages = queries
        .iter()
        .map(|query| first_page(&store, query.clone(), start()));
    let pages = join_all(pages).await;
    assert_eq!(trips.load(Ordering::Relaxed) - before, 3);
    for (query, page) in queries.iter().zip(&pages) {
        assert_whole(&store, query, start(), page).await;
        assert!(page.events.len() <= PAGE);
    }
}

/// I5: while other events are recorded, each page has everything up to the head that it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_first_loads_are_whole_up_to_their_head() {
    const TEST: &str = "shared_first_loads_are_whole_up_to_their_head";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let store = schema.options().connect(schema.url()).await;
    let store = store.expect("PostgreSQL can be connected to");
    write(&store).await;
    let writing = async {
        for number in 0..200 {
            let events = [0, number % AGGREGATES].map(|it| event("even", it, "[0]"));
            let append = Append::new(CommandId::new(), events.to_vec());
            store.append(append).await.expect("it is appended");
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        for round in 0..40 {
            let reads = (0..20_u64).map(|number| {
                let store = store.clone();
                async move {
                    let types: &[_] = if number % 5 == 0 { &[] } else { &["even"] };
                    let first = (round + number) % AGGREGATES;
                    let mut items = vec![item(tag(first), types)];
                    items.extend((number % 3 == 0).then(|| item(tag(first / 2), &["odd"])));
                    items
                        .extend((number % 6 == 0).then(|| item(Tag::new("shelf", "1"), &["even"])));
                    let query = EventQuery::Items(items);
                    let range = ReadRange {
                        limit: 1 + usize::try_from(number).expect("it is small") * 5,
                        ..ReadRange::after(Position::new(number * 100))
                    };
                    let page = first_page(&store, query.clone(), range).await;
                    (query, range, page)
                }
            });
            seen.extend(join_all(reads).await);
        }
        seen
    };
    let ((), seen) = tokio::join!(writing, reading);
    for (query, range, page) in seen {
        assert_whole(&store, &query, range, &page).await;
        assert!(page.events.len() <= range.limit);
    }
}
