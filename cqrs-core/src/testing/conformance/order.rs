use std::sync::Arc;

use super::Fixture;
use super::draft::{Draft, only, tagged};
use super::kit::{append, finish, follow, log, matching, open_many};
use crate::Position;
use crate::store::{Appended, EventQuery, EventStore};

/// Commands of one writer.
const COMMANDS: usize = 15;

/// Several writers on every store, each of which sends commands of one to three events one after
/// the other. Answers with the tasks and the number of events that there will be.
fn write<S: EventStore>(
    stores: &[Arc<S>],
) -> (
    Vec<tokio::task::JoinHandle<Vec<(Draft, Appended)>>>,
    Position,
) {
    let writers = stores
        .iter()
        .flat_map(|store| (0..3).map(|_| store.clone()));
    let tasks: Vec<_> = writers
        .enumerate()
        .map(|(writer, store)| {
            tokio::spawn(async move {
                let mut sent = Vec::new();
                for command in 0..COMMANDS {
                    let tag = format!("writer:{writer}");
                    let draft = (0..=command % 3).fold(Draft::new(), |draft, place| {
                        draft.event(["first", "second", "third"][place], &[&tag, "log:L"])
                    });
                    let appended = append(&*store, &draft).await;
                    sent.push((draft, appended));
                }
                sent
            })
        })
        .collect();
    let events = tasks.len() * (0..COMMANDS).map(|command| command % 3 + 1).sum::<usize>();
    (tasks, Position::new(events as u64))
}

/// I3: positions are contiguous and in commit order for whoever follows the log, while several
/// writers in several processes write; the events of one command stand together, where its answer
/// says.
pub async fn i3_positions_are_contiguous<F: Fixture>(fixture: &F) {
    let stores = open_many(fixture, 3).await;
    let (writers, end) = write(&stores[..2]);
    let followers = stores
        .iter()
        .map(|store| tokio::spawn(follow(store.clone(), EventQuery::All, end)));
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
            for event in draft.0.record(before, draft.0.time) {
                let stored = &log[usize::try_from(before.get()).expect("a short log")..];
                let stored = stored.iter().find(|it| it.position == event.position);
                let stored = stored.expect("the answer's positions are in the log");
                assert_eq!((stored.id, &stored.payload), (event.id, &event.payload));
            }
        }
    }
}

/// I4: nothing ever appears below a position that was seen already: followers of a part of the
/// log miss nothing, also while a transaction that has nothing to do with it is open.
pub async fn i4_nothing_appears_below_what_was_seen<F: Fixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    append(&*stores[0], &Draft::new().event("begun", &["log:L"])).await;
    let foreign = fixture.foreign_transaction().await;
    let (writers, more) = write(&stores);
    let end = more.plus(1);
    let parts = [
        tagged("writer:1"),
        tagged("log:L"),
        only(&["second", "third"], &[]),
    ];
    let followers = parts.iter().flat_map(|query| {
        stores.iter().map(|store| {
            (
                query.clone(),
                tokio::spawn(follow(store.clone(), query.clone(), end)),
            )
        })
    });
    let (queries, followers): (Vec<_>, Vec<_>) = followers.unzip();
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
pub async fn i4_what_was_read_never_changes<F: Fixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let (writers, end) = write(&stores);
    let readers = stores.iter().map(|store| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let events = log(&*store).await;
                let done = events.len() as u64 == end.get();
                seen.push(events);
                if done {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
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
