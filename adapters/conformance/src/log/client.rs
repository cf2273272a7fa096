use std::sync::Arc;

use cqrs_core::store::{
    AppendError, Appended, EventLog, EventLogExt, EventQuery, Events, Position, ReadRange,
    Recorded, Subscription,
};
use tokio::sync::watch;

use super::draft::Draft;
use crate::LogFixture;
use crate::tasks::race;

/// Opens the fixture's data, as one process would.
pub(super) async fn open<F: LogFixture>(fixture: &F) -> Arc<F::Log> {
    Arc::new(fixture.open_log().await)
}

/// Opens the fixture's data several times, as several processes would.
pub(super) async fn open_many<F: LogFixture>(fixture: &F, count: usize) -> Vec<Arc<F::Log>> {
    let mut stores = Vec::with_capacity(count);
    for _ in 0..count {
        stores.push(open(fixture).await);
    }
    stores
}

/// Appends what has to succeed.
#[track_caller]
pub(super) fn append<S: EventLog>(store: &S, draft: &Draft) -> impl Future<Output = Appended> {
    let (sent, caller) = (
        store.append(draft.0.clone()),
        std::panic::Location::caller(),
    );
    async move {
        sent.await
            .unwrap_or_else(|error| panic!("the append at {caller} failed: {error}"))
    }
}

/// Appends `count` commands at once, with one event each, of this type and with these tags.
pub(super) async fn fill<S: EventLog>(
    store: &Arc<S>,
    count: usize,
    event_type: &'static str,
    tags: &[&str],
) {
    let drafts = (0..count).map(|_| Draft::new().event(event_type, tags));
    for outcome in send_all(store, drafts.collect()).await {
        outcome.expect("an append without a boundary succeeds");
    }
}

/// Sends commands from one task each, all released at once; answers in their order.
pub(super) async fn send_all<S: EventLog>(
    store: &Arc<S>,
    drafts: Vec<Draft>,
) -> Vec<Result<Appended, AppendError>> {
    let sends = drafts.into_iter().map(|draft| {
        let store = store.clone();
        async move { store.append(draft.0).await }
    });
    race(sends).await
}

/// All matching events, in one snapshot.
pub(super) async fn matching<S: EventLog>(store: &S, query: EventQuery) -> Vec<Arc<Recorded>> {
    let mut events = Events::read(store, query, ReadRange::after(Position::START));
    let mut all = Vec::new();
    while let Some(event) = events.next().await.expect("the store can be read") {
        all.push(event);
    }
    all
}

/// All events; they are contiguous from 1 (I3).
pub(super) async fn log<S: EventLog>(store: &S) -> Vec<Arc<Recorded>> {
    let events = matching(store, EventQuery::All).await;
    for (event, number) in events.iter().zip(1..) {
        assert_eq!(
            event.position,
            Position::new(number),
            "I3: positions are contiguous from 1"
        );
    }
    events
}

/// The log's head.
pub(super) async fn head<S: EventLog>(store: &S) -> Position {
    store.head().await.expect("the head can be read")
}

/// Follows matching events from the start until everything up to `end` was delivered.
pub(super) async fn follow<S: EventLog>(
    store: Arc<S>,
    query: EventQuery,
    end: Position,
) -> Vec<Arc<Recorded>> {
    follow_telling(store, query, end, watch::Sender::default()).await
}

/// The same, telling how far it is.
pub(super) async fn follow_telling<S: EventLog>(
    store: Arc<S>,
    query: EventQuery,
    end: Position,
    progress: watch::Sender<Position>,
) -> Vec<Arc<Recorded>> {
    let mut subscription = Subscription::new(store, query, Position::START);
    let mut seen: Vec<Arc<Recorded>> = Vec::new();
    while subscription.position() < end {
        let page = subscription.next(7).await;
        for event in page.expect("the subscription can be read").events {
            let last = seen.last().map(|last| last.position).unwrap_or_default();
            assert!(
                event.position > last,
                "I4: {} was delivered after {last}",
                event.position
            );
            seen.push(event);
        }
        progress.send_replace(subscription.position());
    }
    seen
}

/// That a conflict was reported on evidence (I10): a matching event past `after`.
pub(super) fn assert_evidence(
    log: &[Arc<Recorded>],
    query: &EventQuery,
    after: Position,
    at: Position,
) {
    assert!(
        at > after,
        "I10: the conflict is at {at}, not after {after}"
    );
    let event = log.iter().find(|event| event.position == at);
    let event = event.unwrap_or_else(|| panic!("I10: there is no event at the conflict's {at}"));
    assert!(
        query.matches_event(event),
        "I10: the event at {at} does not match: {event:?}"
    );
}
