use std::sync::Arc;

use cqrs_core::store::{Appended, EventLog, EventQuery};
use cqrs_core::{Position, Recorded};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::{
    FinalPosition, append, follow, follow_telling, head, log, matching, open_many,
};
use super::draft::{Draft, only, tagged};
use crate::tasks::{finish, race};
use crate::{LogFixture, Outcome};

/// Commands of one writer.
const COMMANDS: usize = 15;

/// Maximum lead of the writers over their process's follower, in positions. Small enough that the
/// follower works while they write, even if the log is fast.
const LEAD: u64 = 10;

/// Writers per process.
const WRITERS: usize = 3;

type Writers = Vec<JoinHandle<Vec<(Draft, Appended)>>>;

/// Several writers in every process. Each sends commands of one to three events, one after the
/// other, and waits for its process's follower.
fn write<S: EventLog>(stores: &[Arc<S>], followers: &[watch::Sender<Position>]) -> Writers {
    let processes = stores.iter().zip(followers);
    let writers = processes.flat_map(|process| [process; WRITERS]).enumerate();
    let tasks = writers.map(|(writer, (store, follower))| {
        let (store, mut follower) = (store.clone(), follower.subscribe());
        tokio::spawn(async move {
            let mut sent = Vec::new();
            for command in 0..COMMANDS {
                let tag = format!("writer:{writer}");
                let draft = (0..=command % 3).fold(Draft::new(), |draft, place| {
                    draft.event(["first", "second", "third"][place], &[&tag, "log:L"])
                });
                let appended = append(&*store, &draft).await;
                let near = follower.wait_for(|reached| appended.last.since(*reached) <= LEAD);
                // A missing follower has reached the end, or has panicked, which is reported later.
                let _ = near.await;
                sent.push((draft, appended));
            }
            sent
        })
    });
    tasks.collect()
}

/// The progress of each process's follower.
fn progress<S>(stores: &[Arc<S>]) -> Vec<watch::Sender<Position>> {
    stores.iter().map(|_| watch::Sender::default()).collect()
}

/// I3: positions are in commit order for every follower, beside several writers in several
/// processes. The events of one command are adjacent, at the positions of its result.
pub async fn i3_positions_are_in_commit_order<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 3).await;
    let progress = progress(&stores);
    let end = FinalPosition::default();
    // The third store only reads.
    let writers = write(&stores[..2], &progress);
    let mut followers = Vec::new();
    for (store, progress) in stores.iter().zip(progress) {
        let follower = follow_telling(store.clone(), EventQuery::All, end.clone(), progress);
        followers.push(tokio::spawn(follower));
    }
    let sent = finish(writers).await;
    let head = end.at_head(&*stores[0]).await;
    let seen = finish(followers).await;

    let mut log = log(&*stores[2]).await;
    log.retain(|event| event.position <= head);
    for seen in seen {
        assert_eq!(
            seen.len(),
            log.len(),
            "I3: a follower gets every event once"
        );
        assert!(seen == log, "I4: a follower gets the events of the log");
    }
    for sent in sent {
        let mut last = Position::START;
        for (draft, appended) in sent {
            assert!(
                appended.first > last,
                "I3: a command that is sent after an answer comes after it"
            );
            last = appended.last;
            let first = log.partition_point(|event| event.position < appended.first);
            let events = &log[first..first + draft.0.events.len()];
            for (index, event) in events.iter().enumerate() {
                assert!(
                    draft.is_recorded_as(index, event),
                    "I3: the events of a command stand together"
                );
            }
            let end = events.last().map(|event| event.position);
            assert_eq!(end, Some(appended.last), "I3: where the answer says");
        }
    }
}

/// I3: positions are contiguous from 1, even if some appends are refused, repeated or without
/// events.
pub async fn i3_positions_are_contiguous<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if !stores[0].capabilities().contiguous {
        return Outcome::NotClaimed("contiguous positions");
    }
    let repeated = Draft::new().event("opened", &["book:B"]);
    let appended = append(&*stores[0], &repeated).await;
    assert_eq!(appended.first, Position::new(1), "I3: positions begin at 1");
    let racers = (0..40).map(|racer| {
        let store = stores[racer % 2].clone();
        let stale = Draft::new().unless(tagged("book:B"), Position::START);
        let draft = match racer % 4 {
            0 => repeated.clone(),
            1 => stale.event("opened", &["book:B"]),
            2 => Draft::new(),
            _ => Draft::new().event("noted", &[]).event("noted", &[]),
        };
        async move { store.append(draft.0).await }
    });
    race(racers).await;
    let log = log(&*stores[1]).await;
    assert_eq!(log.len(), 21, "I3: events");
    assert_eq!(head(&*stores[1]).await, Position::new(21));
    Outcome::Kept
}

/// I4: no event ever appears below a position that was seen: followers of a part of the log miss
/// nothing, even while a foreign transaction is open.
pub async fn i4_nothing_appears_below_what_was_seen<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let begun = Draft::new().event("begun", &["log:L"]);
    append(&*stores[0], &begun).await;
    let foreign = fixture.foreign_transaction().await;
    let progress = progress(&stores);
    let end = FinalPosition::default();
    let writers = write(&stores, &progress);
    let mut followers = Vec::new();
    for (store, progress) in stores.iter().zip(progress) {
        let part = tagged("writer:1");
        let beside = follow_telling(store.clone(), part.clone(), end.clone(), progress);
        followers.push((part, tokio::spawn(beside)));
        for part in [tagged("log:L"), only(&["second", "third"], &[])] {
            let follower = follow(store.clone(), part.clone(), end.clone());
            followers.push((part, tokio::spawn(follower)));
        }
    }
    let (queries, followers): (Vec<_>, Vec<_>) = followers.into_iter().unzip();
    finish(writers).await;
    let head = end.at_head(&*stores[0]).await;
    let seen = finish(followers).await;
    drop(foreign);
    for (query, seen) in queries.into_iter().zip(seen) {
        let mut there = matching(&*stores[0], query.clone()).await;
        there.retain(|event| event.position <= head);
        assert!(
            seen == there,
            "I4: a follower of {query:?} saw {} events, {} are there",
            seen.len(),
            there.len()
        );
    }
}

/// I4: a page that was read once never changes.
pub async fn i4_what_was_read_never_changes<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let progress = progress(&stores);
    let end = FinalPosition::default();
    let writers = write(&stores, &progress);
    let mut readers = Vec::new();
    for (store, progress) in stores.iter().zip(progress) {
        let reader = read_until(store.clone(), end.clone(), progress);
        readers.push(tokio::spawn(reader));
    }
    finish(writers).await;
    end.at_head(&*stores[0]).await;
    for seen in finish(readers).await {
        for pair in seen.windows(2) {
            assert!(
                pair[1].starts_with(&pair[0]),
                "I4: a later read begins with an earlier one"
            );
        }
    }
}

/// Reads the whole log repeatedly, until the end is reached.
async fn read_until<S: EventLog>(
    store: Arc<S>,
    end: FinalPosition,
    progress: watch::Sender<Position>,
) -> Vec<Vec<Arc<Recorded>>> {
    let mut seen = Vec::new();
    loop {
        let events = log(&*store).await;
        let last = events.last().map(|last| last.position).unwrap_or_default();
        progress.send_replace(last);
        seen.push(events);
        if end.is_reached(last) {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}
