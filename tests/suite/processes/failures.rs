//! Commands that fail, and processes that end before they have sent theirs.

use std::time::Duration;

use cqrs_core::app::{Builder, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use super::orders::{self, BROKEN, CancelOrder, Checkout, Pay, Place, Reserve, Ship, Stage, Wait};
use super::{LIMIT, checkout, idle, names, recorded};
use crate::support::stores::{on_each, on_each_twice, on_each_with};

fn impatient(builder: Builder) -> Builder {
    builder.retry_for(Duration::ZERO)
}

fn break_down(order: u32) {
    BROKEN.lock().expect("no panic").insert(order);
}

fn repair(order: u32) {
    BROKEN.lock().expect("no panic").remove(&order);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_parked_alone_and_sends_once_it_is_released() {
    on_each_with(orders::module(), impatient, async |app| {
        break_down(5_001);
        for order in [5_001, 5_002] {
            app.execute(Place::of(order)).await.expect("places");
            app.execute(Pay { order }).await.expect("pays");
        }
        idle(&app).await;
        let parked = app.subscriptions().parked("checkout").await.expect("reads");
        assert_eq!(parked.len(), 1, "{parked:?}");
        assert_eq!(parked[0].key, "5001");
        assert!(
            parked[0].cause.contains("the van is broken"),
            "{}",
            parked[0].cause
        );
        assert_eq!(checkout(&app, 5_002).await.state.stage, Stage::Shipped);
        let health = app.health();
        let own = health.subscriptions.iter().find(|it| it.name == "checkout");
        let state = &own.expect("it is there").state;
        assert_eq!(*state, SubscriptionState::Parked { keys: 1 });
        // Its events wait.
        app.execute(CancelOrder { order: 5_001 })
            .await
            .expect("cancels");
        idle(&app).await;
        let waiting = checkout(&app, 5_001).await;
        assert_eq!(waiting.state.stage, Stage::Paid);
        assert_eq!(waiting.commands.len(), 1, "{waiting:?}");

        repair(5_001);
        app.subscriptions()
            .release("checkout", 5_001)
            .await
            .expect("releases");
        let released = until_unparked(&app);
        released.await;
        idle(&app).await;
        let ended = checkout(&app, 5_001).await;
        assert_eq!(ended.state.stage, Stage::Canceled);
        assert!(ended.commands.is_empty(), "{ended:?}");
        let names = names(&app).await;
        assert_eq!(names.iter().filter(|it| *it == "shipped").count(), 2);
    })
    .await;
}

/// Waits until no id is parked. The health of the worker tells that, and has no signal of its own.
async fn until_unparked(app: &Dispatcher) {
    let unparked = async {
        while !app
            .subscriptions()
            .parked("checkout")
            .await
            .expect("reads")
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, unparked)
        .await
        .expect("is released");
}

/// Waits until the instance is parked, and not released.
async fn until_parked(app: &Dispatcher) {
    let parked = async {
        let subscriptions = app.subscriptions();
        while !matches!(
            subscriptions.parked("checkout").await.expect("reads").as_slice(),
            [parked] if !parked.is_released
        ) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(LIMIT, parked).await;
    in_time.expect("is parked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_nothing_takes_parks_the_instance() {
    on_each_with(orders::module(), impatient, async |app| {
        let place = Place {
            wait: Wait::Past,
            ..Place::of(6_000)
        };
        app.execute(place).await.expect("places");
        idle(&app).await;
        let parked = app.subscriptions().parked("checkout").await.expect("reads");
        assert_eq!(parked.len(), 1, "{parked:?}");
        let cause = &parked[0].cause;
        assert!(cause.contains("it is on its way"), "{cause}");
        let waiting = checkout(&app, 6_000).await;
        assert_eq!(waiting.commands.len(), 1, "{waiting:?}");
        // Released as it is, it is parked once more.
        app.subscriptions()
            .release("checkout", 6_000)
            .await
            .expect("releases");
        until_parked(&app).await;
        // Whoever skips the event skips its command.
        let first = parked[0].first;
        let subscriptions = app.subscriptions();
        let skipped = subscriptions.skip("checkout", first, "settled by hand");
        skipped.await.expect("skips");
        until_unparked(&app).await;
        idle(&app).await;
        let waiting = checkout(&app, 6_000).await;
        assert!(waiting.commands.is_empty(), "{waiting:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_command_that_is_sent_again_has_no_effect() {
    on_each(orders::module(), async |app| {
        app.execute(Place {
            amount: 100,
            ..Place::of(1)
        })
        .await
        .expect("places");
        idle(&app).await;
        let before = app.events(EventQuery::All).all().await.expect("reads");
        let rejected = before
            .iter()
            .find(|event| event.data.event_type.as_str().contains(':'));
        let id = rejected.expect("it was rejected").meta.command;
        // By a process that was taken for dead, and for which there is enough by now.
        let sent = app
            .execute(Reserve {
                order: 1,
                amount: 100,
            })
            .id(id)
            .await
            .expect("is known");
        assert!(sent.replayed());
        let after = app.events(EventQuery::All).all().await.expect("reads");
        assert_eq!(after.len(), before.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_another_process_has_sent_is_not_sent_again() {
    on_each(orders::module(), async |app| {
        break_down(7_001);
        app.execute(Place::of(7_001)).await.expect("places");
        let paid = app.execute(Pay { order: 7_001 }).await.expect("pays");
        app.wait_until_caught_up(paid.last(), LIMIT)
            .await
            .expect("handles it");
        let pending = checkout(&app, 7_001).await.commands;
        let id = pending
            .iter()
            .find(|it| it.name == "Ship")
            .expect("it is to be sent")
            .id;
        repair(7_001);
        app.execute(Ship { order: 7_001 })
            .id(id)
            .await
            .expect("ships");
        idle(&app).await;
        let ended = checkout(&app, 7_001).await;
        assert_eq!(ended.state.stage, Stage::Shipped);
        assert!(ended.commands.is_empty(), "{ended:?}");
        let names = names(&app).await;
        assert_eq!(names.iter().filter(|it| *it == "shipped").count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_sends_what_was_left() {
    on_each_twice(orders::module(), async |[first, second]| {
        break_down(8_001);
        let first = first.build().await.expect("builds");
        first.execute(Place::of(8_001)).await.expect("places");
        let paid = first.execute(Pay { order: 8_001 }).await.expect("pays");
        first
            .wait_until_caught_up(paid.last(), LIMIT)
            .await
            .expect("handles it");
        let pending = checkout(&first, 8_001).await.commands;
        let id = pending
            .iter()
            .find(|it| it.name == "Ship")
            .expect("it is to be sent")
            .id;
        drop(first);
        repair(8_001);
        let second = second.build().await.expect("builds");
        second
            .wait_until_caught_up(paid.last(), LIMIT)
            .await
            .expect("takes over");
        recorded(&second, "shipped", 1).await;
        idle(&second).await;
        let events = second.events(EventQuery::All).all().await.expect("reads");
        let shipped = events
            .iter()
            .filter(|it| it.data.event_type.as_str() == "shipped");
        let ids: Vec<_> = shipped.map(|event| event.meta.command).collect();
        assert_eq!(ids, [id]);
        let ended = second.process::<Checkout>(&8_001).await.expect("reads");
        assert!(ended.expect("it has begun").commands.is_empty());
    })
    .await;
}
