use cqrs_core::store::{EventLog, EventQuery, ReadRange, TailReads};
use cqrs_core::{Position, Timestamp};
use tokio::sync::watch;

use super::client::{FinalPosition, append, follow_telling, head, log, open_many};
use super::draft::{Draft, only, tagged};
use crate::tasks::finish;
use crate::{LogFixture, Outcome};

/// The lengths of the processes' turns. They grow, so that a process finds few or many events of
/// the other between its own.
const TURNS: u64 = 6;

/// I4: the tail in memory equals the log. A follower beside two processes that write in turn gets
/// each event once and in order, and the tail returns the same events as a read.
pub async fn i4_the_tail_is_what_was_recorded<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if stores[0].capabilities().tail.is_none() {
        return Outcome::NotClaimed("its tail");
    }
    let end = FinalPosition::default();
    let progress = [(); 2].map(|()| watch::Sender::new(Position::START));
    let mut followers = Vec::new();
    for (store, progress) in stores.iter().zip(&progress) {
        let (store, end) = (store.clone(), end.clone());
        let follower = follow_telling(store, EventQuery::All, end, progress.clone());
        followers.push(tokio::spawn(follower));
    }
    let reach = async |place: usize, position| {
        // A missing follower has reached the end, or has panicked, which is reported later.
        let mut follower = progress[place].subscribe();
        let _ = follower.wait_for(|reached| *reached >= position).await;
    };
    for (turn, place) in (1..=TURNS).zip([0, 1].into_iter().cycle()) {
        for command in 0..turn {
            // Clocks run backwards, and have a higher resolution than recorded times.
            let nanos = i128::from(1_000_000 - command);
            let draft = Draft::new()
                .event("first", &["log:L"][..place])
                .event("second", &["log:L"])
                .at(Timestamp::from_nanosecond(nanos).expect("a time"));
            let appended = append(&*stores[place], &draft).await;
            reach(place, appended.last).await;
        }
        assert_tail_is_read(&*stores[place]).await;
        reach(1 - place, head(&*stores[place]).await).await;
    }
    let head = end.at_head(&*stores[0]).await;
    let mut log = log(&*stores[0]).await;
    log.retain(|event| event.position <= head);
    for seen in finish(followers).await {
        assert!(seen == log, "I4: a follower gets the events of the log");
    }
    for store in &stores {
        assert_tail_is_read(&**store).await;
    }
    Outcome::Kept
}

/// Compares the tail after each position with a read.
async fn assert_tail_is_read<S: EventLog>(store: &S) {
    let tail = store.capabilities().tail.expect("the log claims its tail");
    let queries = [EventQuery::All, only(&["second"], &[]), tagged("log:L")];
    let events = log(store).await;
    let positions = events.iter().map(|event| event.position);
    for after in positions.flat_map(|it| [it.before(), it, it.plus(1)]) {
        for query in &queries {
            for limit in [2, 1000] {
                assert_page_is_read(store, tail, query, after, limit).await;
            }
        }
    }
}

async fn assert_page_is_read<S: EventLog>(
    store: &S,
    tail: &dyn TailReads,
    query: &EventQuery,
    after: Position,
    limit: usize,
) {
    let Some(page) = tail.tail(query, after, limit) else {
        return;
    };
    assert!(page.as_of > after, "I4: the tail after {after} is nothing");
    let range = ReadRange {
        up_to: Some(page.as_of),
        limit,
        ..ReadRange::after(after)
    };
    let read = store.read(query.clone(), range).await.expect("a page");
    assert!(
        (&page.events, page.as_of, page.next) == (&read.events, read.as_of, read.next),
        "I4: the tail after {after} for {query:?} is {page:?}, and a read returns {read:?}"
    );
}
