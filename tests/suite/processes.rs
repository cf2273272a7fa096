//! Process managers: instances, the commands that they send, rejections, and deadlines.

mod deadlines;
mod divided;
mod endings;
mod failures;
mod nameless;
mod orders;
mod parcels;
mod pending;
mod refold;
mod rentals;
mod several;
mod skips;
mod unrecorded;
mod wiring;

use std::time::Duration;

use cqrs_core::app::{Process, SubscriptionKind, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::stores::{on_each, on_each_with};
use orders::{Checkout, Pay, Place, Stage, Wait};

const LIMIT: Duration = Duration::from_secs(30);

/// The names of all events, in order.
pub async fn names(app: &Dispatcher) -> Vec<String> {
    let events = app.events(EventQuery::All).all().await.expect("reads");
    let names = events.iter().map(|event| event.data.event_type.to_string());
    names.collect()
}

/// Waits until the log has this many events of the name.
pub async fn recorded(app: &Dispatcher, name: &str, count: usize) {
    loop {
        let heads = app.log().heads();
        let head = heads.position();
        let found = names(app).await;
        if found.iter().filter(|it| *it == name).count() >= count {
            return;
        }
        let grown = tokio::time::timeout(LIMIT, heads.reached(head.plus(1)));
        grown.await.expect("an event is recorded");
    }
}

/// The instance of an order that has begun.
pub async fn checkout(app: &Dispatcher, order: u32) -> Process<Checkout> {
    let instance = app.process::<Checkout>(&order).await.expect("reads");
    instance.expect("it has begun")
}

async fn idle(app: &Dispatcher) {
    app.wait_until_idle(LIMIT).await.expect("comes to rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_sends_commands_and_ends() {
    on_each(orders::module(), async |app| {
        app.execute(Place::of(1)).await.expect("places");
        idle(&app).await;
        let begun = checkout(&app, 1).await;
        assert_eq!(begun.state.stage, Stage::Reserved);
        assert_eq!(begun.deadlines.len(), 1, "{begun:?}");
        assert_eq!(begun.deadlines[0].name, "payment-due");
        assert!(
            begun.commands.is_empty() && begun.ended.is_none(),
            "{begun:?}"
        );

        app.execute(Pay { order: 1 }).await.expect("pays");
        idle(&app).await;
        let ended = checkout(&app, 1).await;
        assert_eq!(ended.state.stage, Stage::Shipped);
        assert!(
            ended.deadlines.is_empty() && ended.ended.is_some(),
            "{ended:?}"
        );
        let all = ["placed", "reserved", "paid", "shipped"];
        assert_eq!(names(&app).await, all);

        app.execute(Pay { order: 1 }).await.expect("pays once more");
        // Nothing begins with that.
        app.execute(Pay { order: 2 })
            .await
            .expect("pays an unknown one");
        idle(&app).await;
        assert_eq!(checkout(&app, 1).await.late, 1);
        assert!(app.process::<Checkout>(&2).await.expect("reads").is_none());
        // What comes before the beginning is late, too.
        app.execute(Pay { order: 3 }).await.expect("pays too early");
        app.execute(Place::of(3)).await.expect("places");
        idle(&app).await;
        assert_eq!(checkout(&app, 3).await.late, 0);
        for (order, late) in [(1, 1), (2, 1), (3, 1), (4, 0)] {
            let call = app.process::<Checkout>(&order);
            assert_eq!(call.late().await.expect("reads"), late, "{order}");
        }
        let history = app.process::<Checkout>(&3).history().all().await;
        let history = history.expect("reads");
        let types = history.iter().map(|it| it.data.event_type.as_str());
        assert_eq!(types.collect::<Vec<_>>(), ["paid", "placed", "reserved"]);
        let health = app.health();
        let own = health.subscriptions.iter().find(|it| it.name == "checkout");
        let own = own.expect("it is there");
        assert_eq!(own.kind, SubscriptionKind::ProcessManager);
        assert!(health.is_ok(), "{health:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_belong_to_the_conversation_of_their_event() {
    on_each(orders::module(), async |app| {
        let receipt = app.execute(Place::of(7)).await.expect("places");
        idle(&app).await;
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let (placed, reserved) = (&events[0], &events[1]);
        assert_eq!(placed.meta.command, receipt.command());
        assert_eq!(reserved.meta.correlation, placed.meta.correlation);
        assert_eq!(reserved.meta.causation, placed.meta.id.as_uuid());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_comes_back_as_an_event() {
    on_each(orders::module(), async |app| {
        app.execute(Place {
            amount: 100,
            ..Place::of(1)
        })
        .await
        .expect("places");
        idle(&app).await;
        let ended = checkout(&app, 1).await;
        assert_eq!(ended.state.stage, Stage::Canceled);
        assert_eq!(ended.state.reason, "only 10 are left");
        assert!(
            ended.ended.is_some() && ended.deadlines.is_empty(),
            "{ended:?}"
        );
        let all = ["placed", "process:checkout:rejected", "canceled"];
        assert_eq!(names(&app).await, all);
        // It is no type that the program lacks.
        let again = Dispatcher::builder()
            .module(orders::module())
            .stores_of(&app);
        let again = again.build().await.expect("builds");
        assert_eq!(again.warnings(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_due_at_once_if_it_is_past() {
    on_each(orders::module(), async |app| {
        let place = Place {
            wait: Wait::Past,
            ..Place::of(1)
        };
        app.execute(place).await.expect("places");
        idle(&app).await;
        let ended = checkout(&app, 1).await;
        assert_eq!(ended.state.stage, Stage::Canceled);
        let names = names(&app).await;
        let due = names.iter().filter(|name| *name == "payment-due").count();
        assert_eq!(due, 1, "{names:?}");
        assert_eq!(names.last().map(String::as_str), Some("canceled"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_instances_come_to_their_end() {
    on_each(orders::module(), async |app| {
        let orders = 200;
        for order in 0..orders {
            let wait = if order % 2 == 0 {
                Wait::Past
            } else {
                Wait::Long
            };
            app.execute(Place {
                wait,
                ..Place::of(order)
            })
            .await
            .expect("places");
        }
        for order in (1..orders).step_by(2) {
            app.execute(Pay { order }).await.expect("pays");
        }
        idle(&app).await;
        for order in 0..orders {
            let ended = checkout(&app, order).await;
            let expected = if order % 2 == 0 {
                Stage::Canceled
            } else {
                Stage::Shipped
            };
            assert_eq!(ended.state.stage, expected, "{order}: {ended:?}");
            assert!(
                ended.ended.is_some() && ended.commands.is_empty(),
                "{ended:?}"
            );
        }
        let names = names(&app).await;
        let count = |name: &str| names.iter().filter(|it| *it == name).count();
        let counts = ["placed", "reserved", "payment-due", "canceled", "shipped"].map(count);
        assert_eq!(counts, [200, 200, 100, 100, 100]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_divided_and_paused_like_any_subscription() {
    on_each_with(
        orders::module(),
        |builder| builder,
        async |app| {
            app.subscriptions()
                .divide("checkout", 4)
                .await
                .expect("divides");
            for order in 0..40 {
                app.execute(Place {
                    wait: Wait::Past,
                    ..Place::of(order)
                })
                .await
                .expect("places");
            }
            idle(&app).await;
            app.subscriptions()
                .divide("checkout", 2)
                .await
                .expect("divides");
            app.subscriptions()
                .pause("checkout", "a look")
                .await
                .expect("pauses");
            app.execute(Place::of(100)).await.expect("places");
            let health = app.health();
            let own = health.subscriptions.iter().find(|it| it.name == "checkout");
            let state = &own.expect("it is there").state;
            assert!(
                matches!(state, SubscriptionState::Paused { .. }),
                "{state:?}"
            );
            app.subscriptions()
                .resume("checkout")
                .await
                .expect("resumes");
            idle(&app).await;
            for order in 0..40 {
                assert_eq!(
                    checkout(&app, order).await.state.stage,
                    Stage::Canceled,
                    "{order}"
                );
            }
            assert_eq!(checkout(&app, 100).await.state.stage, Stage::Reserved);
            let names = names(&app).await;
            assert_eq!(names.iter().filter(|it| *it == "canceled").count(), 40);
        },
    )
    .await;
}
