//! Decisions that are made while the events of the ones before are still being written.

use std::future::poll_fn;
use std::task::Poll;

use cqrs_core::CommandId;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    Append, BoxFuture, EventData, EventType, LogTransaction, Tag, Tags, Transactional,
};
use cqrs_sqlite::{Sqlite, Transaction as Held};
use tempfile::TempDir;

use crate::cache::{Fill, Jar, Take, module};

/// A dispatcher on SQLite, whose writing thread can be held.
struct World {
    app: Dispatcher,
    store: Sqlite,
    _directory: TempDir,
}

type Outcome = Result<Receipt, CommandError<Rejected>>;

/// A call that was sent. It has decided, and waits for its answer.
struct Sent<'a>(BoxFuture<'a, Outcome>);

impl World {
    /// With so many sweets in jar 1, whose state is in the cache.
    async fn new(sweets: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("log.db");
        let store = Sqlite::open(path).await.expect("SQLite opens");
        let builder = Dispatcher::builder().module(module());
        let app = builder.store(store.clone()).build().await.expect("builds");
        let fill = Fill {
            jar: 1,
            sweets: sweets + 1,
        };
        app.execute(fill).await.expect("fills");
        let world = Self {
            app,
            store,
            _directory: directory,
        };
        world.take(1).await.expect("takes");
        world
    }

    fn take(&self, sweets: u32) -> BoxFuture<'_, Outcome> {
        self.app.execute(Take { jar: 1, sweets }).into_future()
    }

    /// Nothing is written until this ends.
    async fn hold(&self) -> Held {
        self.store.begin().await.expect("begins")
    }

    /// Sends a command that will not be answered before the writing thread is let go.
    async fn send(&self, sweets: u32) -> Sent<'_> {
        let mut call = self.take(sweets);
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "answered too early: {polled:?}");
        Sent(call)
    }

    async fn sweets(&self) -> u32 {
        let jar = self.app.state::<Jar>(&1).await;
        jar.expect("every decision saw the newest state").sweets
    }

    fn hits(&self) -> u64 {
        self.app.health().state_cache.hits
    }
}

/// The receipts, of calls in tasks of their own, as it were.
async fn all<const N: usize>(sent: [Sent<'_>; N]) -> Vec<Receipt> {
    let calls = sent.into_iter().map(|Sent(call)| call);
    let outcomes = futures_util::future::join_all(calls).await;
    let receipt = |outcome: Outcome| outcome.expect("takes");
    outcomes.into_iter().map(receipt).collect()
}

/// A sweet that somebody else puts into jar 1.
fn gift() -> Append {
    let event = EventData {
        event_type: EventType::new("jar-filled"),
        version: 1,
        tags: [Tag::new("jar", 1)].into_iter().collect::<Tags>(),
        payload: br#"{"jar":1,"sweets":1}"#.to_vec(),
    };
    Append::new(CommandId::new(), vec![event])
}

#[tokio::test]
async fn a_decision_does_not_wait_for_the_answer_of_the_one_before() {
    let world = World::new(9).await;
    let held = world.hold().await;
    let before = world.hits();
    let sent = [
        world.send(1).await,
        world.send(2).await,
        world.send(3).await,
    ];
    assert_eq!(
        world.hits() - before,
        3,
        "each found the state of the one before"
    );
    drop(held);
    let mut last = None;
    for receipt in all(sent).await {
        assert!(
            last < Some(receipt.last()),
            "in the order in which they were sent"
        );
        last = Some(receipt.last());
    }
    assert_eq!(world.sweets().await, 3);
    let before = world.hits();
    world.take(3).await.expect("takes the rest");
    assert_eq!(world.hits() - before, 1, "the last state stays");
}

#[tokio::test]
async fn what_was_decided_on_events_that_never_were_is_decided_anew() {
    let world = World::new(9).await;
    let held = world.hold().await;
    let sent = [
        world.send(1).await,
        world.send(2).await,
        world.send(3).await,
    ];
    held.append(gift()).await.expect("appends");
    all(sent).await;
    assert_eq!(world.sweets().await, 4);
}

#[tokio::test]
async fn a_rejection_waits_for_the_events_that_it_is_made_on() {
    let world = World::new(1).await;
    let held = world.hold().await;
    let [first, second] = [world.send(1).await, world.send(1).await];
    drop(held);
    first.0.await.expect("takes the last one");
    let refused = second.0.await.expect_err("there is none left");
    assert!(refused.rejected().is_some());
}

#[tokio::test]
async fn a_rejection_on_events_that_never_were_is_decided_anew() {
    let world = World::new(1).await;
    let held = world.hold().await;
    let [first, second] = [world.send(1).await, world.send(1).await];
    held.append(gift()).await.expect("appends");
    let (first, second) = tokio::join!(first.0, second.0);
    first.expect("takes one of the two");
    second.expect("takes the other");
    assert_eq!(world.sweets().await, 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_state_that_is_right() {
    let world = World::new(2).await;
    let held = world.hold().await;
    let [first, second] = [world.send(1).await, world.send(1).await];
    let third = world.send(1).await;
    drop((first, second));
    drop(held);
    // The sent command is in the queue, and is written although no caller waits for it.
    let refused = third.0.await.expect_err("both are taken");
    assert!(refused.rejected().is_some());
    assert_eq!(world.sweets().await, 0);
}

#[tokio::test]
async fn after_a_state_was_wrong_decisions_go_on_as_before_once_one_was_right() {
    let world = World::new(99).await;
    let held = world.hold().await;
    let sent = [world.send(1).await, world.send(1).await];
    held.append(gift()).await.expect("appends");
    all(sent).await;
    let held = world.hold().await;
    let before = world.hits();
    let sent = [world.send(1).await, world.send(1).await];
    assert_eq!(world.hits() - before, 2, "the second one waits for nothing");
    drop(held);
    all(sent).await;
}

#[tokio::test]
async fn a_call_that_nobody_asks_about_holds_nobody_up_for_ever() {
    let world = World::new(2).await;
    let held = world.hold().await;
    let [first, second] = [world.send(2).await, world.send(1).await];
    drop(held);
    // It has to wait for `first`, of which it cannot learn.
    let refused = second.0.await.expect_err("both are taken");
    assert!(refused.rejected().is_some());
    first.0.await.expect("takes");
}
