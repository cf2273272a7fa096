use std::sync::Arc;

use cqrs_core::store::{
    AppendError, Appended, EventLog, EventLogExt, EventQuery, Events, Position, ReadRange,
    Recorded, StateKey, StoredCommand, StoredState,
};
use cqrs_kit::Subscription;
use tokio::sync::watch;

use super::draft::Draft;
use super::random::Random;
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

/// Appends, and expects success.
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

/// Maximum number of appends that [`fill`] sends at once. A store with few connections refuses those that
/// have to wait for too long, and they are to wait for its disk only a part of that time.
const MAX_AT_ONCE: usize = 250;

/// Appends `count` commands, many at once, with one event each, of this type and with these tags.
pub(super) async fn fill<S: EventLog>(
    store: &Arc<S>,
    count: usize,
    event_type: &'static str,
    tags: &[&str],
) {
    let mut remaining = count;
    while remaining > 0 {
        let sent = remaining.min(MAX_AT_ONCE);
        let drafts = (0..sent).map(|_| Draft::new().event(event_type, tags));
        for outcome in send_all(store, drafts.collect()).await {
            outcome.expect("an append without a boundary succeeds");
        }
        remaining -= sent;
    }
}

/// Appends 150 random commands at once, without boundaries. Returns the log.
pub(super) async fn fill_at_random<S: EventLog>(
    store: &Arc<S>,
    random: &mut Random,
) -> Vec<Arc<Recorded>> {
    let drafts = (0..150).map(|_| random.event());
    for outcome in send_all(store, drafts.collect()).await {
        outcome.expect("an append without a boundary succeeds");
    }
    log(&**store).await
}

/// Sends each command from a task of its own, all released at once. Returns the results in order.
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

/// All events, in position order. Contiguous from 1 if the log claims that (I3).
pub(super) async fn log<S: EventLog>(store: &S) -> Vec<Arc<Recorded>> {
    let events = matching(store, EventQuery::All).await;
    let is_contiguous = store.capabilities().contiguous;
    let mut last = Position::START;
    for event in &events {
        assert!(
            event.position > last,
            "I3: {} comes after {last}",
            event.position
        );
        assert!(
            !is_contiguous || event.position == last.plus(1),
            "I3: positions are contiguous, and {} comes after {last}",
            event.position
        );
        last = event.position;
    }
    events
}

/// The number of events of a command in the log.
pub(super) fn count_of(log: &[Arc<Recorded>], draft: &Draft) -> usize {
    log.iter()
        .filter(|event| event.meta.command == draft.id())
        .count()
}

/// The stored states with these keys, of a log that claims states.
pub(super) async fn states<S: EventLog>(
    store: &S,
    keys: Vec<StateKey>,
) -> Vec<Option<StoredState>> {
    let states = store.capabilities().states.expect("the log claims states");
    states.states(keys).await.expect("states can be read")
}

/// One stored state, of a log that claims states.
pub(super) async fn state<S: EventLog>(store: &S, key: StateKey) -> Option<StoredState> {
    states(store, vec![key]).await.pop().flatten()
}

/// The record of a command.
pub(super) async fn command<S: EventLog>(store: &S, draft: &Draft) -> Option<StoredCommand> {
    let command = store.command(draft.id()).await;
    command.expect("commands can be read")
}

/// The log's head.
pub(super) async fn head<S: EventLog>(store: &S) -> Position {
    store.head().await.expect("the head can be read")
}

/// The position at which followers end. None while the log is still written.
#[derive(Clone, Default)]
pub(super) struct FinalPosition(watch::Sender<Option<Position>>);

impl FinalPosition {
    /// Lets followers end at the log's head, and returns it. Appends one more event, to wake
    /// followers that are already there.
    pub(super) async fn at_head<S: EventLog>(&self, store: &S) -> Position {
        let head = head(store).await;
        self.0.send_replace(Some(head));
        append(store, &Draft::new().event("woken", &[])).await;
        head
    }

    pub(super) fn is_reached(&self, position: Position) -> bool {
        self.0.borrow().is_some_and(|end| position >= end)
    }
}

/// Follows matching events from the start to the end.
pub(super) async fn follow<S: EventLog>(
    store: Arc<S>,
    query: EventQuery,
    end: FinalPosition,
) -> Vec<Arc<Recorded>> {
    follow_telling(store, query, end, watch::Sender::default()).await
}

/// As [`follow`], and reports its progress.
pub(super) async fn follow_telling<S: EventLog>(
    store: Arc<S>,
    query: EventQuery,
    end: FinalPosition,
    progress: watch::Sender<Position>,
) -> Vec<Arc<Recorded>> {
    let mut subscription = Subscription::new(store, query, Position::START);
    let mut seen: Vec<Arc<Recorded>> = Vec::new();
    while !end.is_reached(subscription.position()) {
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
    let end = *end.0.borrow();
    seen.retain(|event| Some(event.position) <= end);
    seen
}

/// Asserts that a conflict has evidence (I10): a matching event after `after`.
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
    let Some(event) = log.iter().find(|event| event.position == at) else {
        panic!("I10: there is no event at the conflict's {at}");
    };
    assert!(
        query.matches_event(event),
        "I10: the event at {at} does not match: {event:?}"
    );
}
