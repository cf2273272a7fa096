use std::sync::Arc;

use cqrs_core::store::{Appended, EventLog, EventQuery, ReadRange};
use cqrs_core::{Position, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::{append, follow, follow_telling, head, log, matching, open_many};
use super::draft::{Draft, only, tagged};
use crate::LogFixture;
use crate::tasks::finish;

/// Commands of one writer.
const COMMANDS: usize = 15;

/// How far writers may be ahead of the follower beside them: so little that it follows while they
/// write, however fast the store is.
const AHEAD: u64 = 10;

/// Writers per store.
const WRITERS: usize = 3;

type Writers = Vec<JoinHandle<Vec<(Draft, Appended)>>>;

/// Several writers on every store, each of which sends commands of one to three events one after
/// the other, and waits for that store's follower. Answers with the tasks and the number of events
/// that there will be.
fn write<S: EventLog>(
    stores: &[Arc<S>],
    followers: &[watch::Sender<Position>],
) -> (Writers, Position) {
    let beside = stores.iter().zip(followers);
    let writers = beside.flat_map(|beside| [beside; WRITERS]).enumerate();
    let tasks: Vec<_> = writers
        .map(|(writer, (store, follower))| {
            let (store, mut follower) = (store.clone(), follower.subscribe());
            tokio::spawn(async move {
                let mut sent = Vec::new();
                for command in 0..COMMANDS {
                    let tag = format!("writer:{writer}");
                    let draft = (0..=command % 3).fold(Draft::new(), |draft, place| {
                        draft.event(["first", "second", "third"][place], &[&tag, "log:L"])
                    });
                    let appended = append(&*store, &draft).await;
                    let near = |reached: &Position| appended.last.since(*reached) <= AHEAD;
                    // A follower that is gone has reached the end, or its panic will be seen.
                    let _ = follower.wait_for(near).await;
                    sent.push((draft, appended));
                }
                sent
            })
        })
        .collect();
    let events = tasks.len() * (0..COMMANDS).map(|command| command % 3 + 1).sum::<usize>();
    (tasks, Position::new(events as u64))
}

/// One for the follower of every store.
fn progress<S>(stores: &[Arc<S>]) -> Vec<watch::Sender<Position>> {
    stores.iter().map(|_| watch::Sender::default()).collect()
}

/// I3: positions are contiguous and in commit order for whoever follows the log, while several
/// writers in several processes write; the events of one command stand together, where its answer
/// says.
pub async fn i3_positions_are_contiguous<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 3).await;
    let progress = progress(&stores);
    // Nobody writes through the third one.
    let (writers, end) = write(&stores[..2], &progress);
    let followers = stores.iter().zip(progress).map(|(store, progress)| {
        let follower = follow_telling(store.clone(), EventQuery::All, end, progress);
        tokio::spawn(follower)
    });
    let followers: Vec<_> = followers.collect();
    let sent = finish(writers).await;
    let seen = finish(followers).await;

    let log = log(&*stores[2]).await;
    assert_eq!(log.len() as u64, end.get());
    for seen in seen {
        assert_eq!(
            seen.len(),
            log.len(),
            "I3: a follower gets every event once"
        );
        for (event, number) in seen.iter().zip(1..) {
            assert_eq!(
                event.position,
                Position::new(number),
                "I3: `last + 1` at a follower"
            );
        }
        assert!(seen == log, "I4: a follower gets what is in the log");
    }
    for sent in sent {
        let mut last = Position::START;
        for (draft, appended) in sent {
            assert!(
                appended.first > last,
                "I3: what is sent after an answer comes after it"
            );
            last = appended.last;
            let before = Position::new(appended.first.get() - 1);
            for event in draft.0.clone().record(before, draft.0.time) {
                let found = &log[usize::try_from(before.get()).expect("a short log")..];
                let found = found.iter().find(|it| it.position == event.position);
                let found = found.expect("the answer's positions are in the log");
                assert_eq!(
                    (found.meta.id, &found.data.payload),
                    (event.meta.id, &event.data.payload)
                );
            }
        }
    }
}

/// I4: nothing ever appears below a position that was seen already: followers of a part of the
/// log miss nothing, also while a transaction that has nothing to do with it is open.
pub async fn i4_nothing_appears_below_what_was_seen<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let begun = Draft::new().event("begun", &["log:L"]);
    append(&*stores[0], &begun).await;
    let foreign = fixture.foreign_transaction().await;
    let progress = progress(&stores);
    let (writers, more) = write(&stores, &progress);
    let end = more.plus(1);
    let mut followers = Vec::new();
    for (store, progress) in stores.iter().zip(progress) {
        let part = tagged("writer:1");
        let beside = follow_telling(store.clone(), part.clone(), end, progress);
        followers.push((part, tokio::spawn(beside)));
        for part in [tagged("log:L"), only(&["second", "third"], &[])] {
            let follower = follow(store.clone(), part.clone(), end);
            followers.push((part, tokio::spawn(follower)));
        }
    }
    let (queries, followers): (Vec<_>, Vec<_>) = followers.into_iter().unzip();
    finish(writers).await;
    let seen = finish(followers).await;
    drop(foreign);
    for (query, seen) in queries.into_iter().zip(seen) {
        let there = matching(&*stores[0], query.clone()).await;
        assert!(!there.is_empty());
        assert!(
            seen == there,
            "I4: a follower of {query:?} saw {} events, {} are there",
            seen.len(),
            there.len()
        );
    }
}

/// I4: a page that was read once reads the same ever after.
pub async fn i4_what_was_read_never_changes<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let progress = progress(&stores);
    let (writers, end) = write(&stores, &progress);
    let readers = stores.iter().zip(progress).map(|(store, progress)| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while *progress.borrow() < end {
                let events = log(&*store).await;
                progress.send_replace(Position::new(events.len() as u64));
                seen.push(events);
                tokio::task::yield_now().await;
            }
            seen
        })
    });
    let readers: Vec<_> = readers.collect();
    finish(writers).await;
    for seen in finish(readers).await {
        for pair in seen.windows(2) {
            assert!(
                pair[1].starts_with(&pair[0]),
                "I4: a later read begins with an earlier one"
            );
        }
    }
}

/// Processes take turns, each longer than the last one, so that one finds few or many events of the
/// other between its own.
const TURNS: u64 = 6;

/// I4: what a store hands over from memory is what it stored. Whoever follows while two processes
/// write in turn gets each event of the log once and in order, and what a store says to be at hand
/// a read says, too.
pub async fn i4_what_is_at_hand_is_what_was_stored<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let progress = progress(&stores);
    let end = Position::new((1..=TURNS).map(|turn| turn * 2).sum());
    let followers = stores.iter().zip(&progress).map(|(store, progress)| {
        let follower = follow_telling(store.clone(), EventQuery::All, end, progress.clone());
        tokio::spawn(follower)
    });
    let followers: Vec<_> = followers.collect();
    let reach = async |place: usize, position| {
        // A follower that is gone has reached the end, or its panic will be seen.
        let _ = progress[place]
            .subscribe()
            .wait_for(|at| *at >= position)
            .await;
    };
    for (turn, place) in (1..=TURNS).zip([0, 1].into_iter().cycle()) {
        for command in 0..turn {
            // Clocks that go backwards, and are finer than what is stored.
            let time = i128::from(1_000_000 - command);
            let time = Timestamp::from_nanosecond(time).expect("a time");
            let draft = Draft::new().event("first", &["log:L"][..place]);
            let draft = draft.event("second", &["log:L"]).at(time);
            let appended = append(&*stores[place], &draft).await;
            reach(place, appended.last).await;
        }
        at_hand_is_stored(&*stores[place]).await;
        reach(1 - place, head(&*stores[place]).await).await;
    }
    let log = log(&*stores[0]).await;
    assert_eq!(log.len() as u64, end.get());
    for seen in finish(followers).await {
        assert!(seen == log, "I4: a follower gets what is in the log");
    }
    for store in &stores {
        at_hand_is_stored(&**store).await;
    }
}

/// Compares what is at hand after each position with a read.
async fn at_hand_is_stored<S: EventLog>(store: &S) {
    let queries = [EventQuery::All, only(&["second"], &[]), tagged("log:L")];
    let all = queries
        .iter()
        .flat_map(|query| [2, 1000].map(|limit| (query, limit)));
    for after in (0..=head(store).await.get() + 1).map(Position::new) {
        for (query, limit) in all.clone() {
            let Some(page) = store
                .capabilities()
                .tail
                .and_then(|tail| tail.tail(query, after, limit))
            else {
                continue;
            };
            assert!(page.as_of > after, "I4: nothing is at hand after {after}");
            let range = ReadRange {
                up_to: Some(page.as_of),
                limit,
                ..ReadRange::after(after)
            };
            let read = store.read(query.clone(), range).await.expect("a page");
            let at_hand = (&page.events, page.as_of, page.next);
            assert!(
                at_hand == (&read.events, read.as_of, read.next),
                "I4: at hand after {after} for {query:?} is {page:?}, in the log {read:?}"
            );
        }
    }
}
