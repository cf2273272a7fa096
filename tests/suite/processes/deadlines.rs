//! Deadlines: moved, canceled, due while nobody looks, and each once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cqrs_core::app::Role;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_sqlite::Sqlite;
use tokio::task::JoinSet;

use super::orders::{self, Extend, Pay, Place, Stage, Wait};
use super::{checkout, idle, names, recorded};
use crate::support::stores::{on_each, on_each_twice, on_each_with};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_moved() {
    on_each(orders::module(), async |app| {
        app.execute(Place::of(1)).await.expect("places");
        idle(&app).await;
        let far = checkout(&app, 1).await.deadlines[0].clone();
        let wait = Wait::Past;
        app.execute(Extend { order: 1, wait }).await.expect("moves");
        idle(&app).await;
        let ended = checkout(&app, 1).await;
        assert_eq!(ended.state.stage, Stage::Canceled);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let mut events = events.iter();
        let due = events.find(|event| event.data.event_type.as_str() == "payment-due");
        let due = due.expect("it is due");
        assert_ne!(due.meta.command, far.id, "moved, it is another one");
        // There is none that could be moved any more.
        app.execute(Extend { order: 1, wait })
            .await
            .expect("is late");
        idle(&app).await;
        let names = names(&app).await;
        assert_eq!(names.iter().filter(|it| *it == "payment-due").count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_waited_for() {
    on_each(orders::module(), async |app| {
        let wait = Wait::Short(100);
        let started = Instant::now();
        app.execute(Place {
            wait,
            ..Place::of(1)
        })
        .await
        .expect("places");
        recorded(&app, "canceled", 1).await;
        assert!(started.elapsed() >= Duration::from_millis(100));
        idle(&app).await;
        assert_eq!(checkout(&app, 1).await.state.stage, Stage::Canceled);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_due_after_it_was_canceled() {
    on_each(orders::module(), async |app| {
        let orders = 60;
        let mut paid = JoinSet::new();
        for order in 0..orders {
            let wait = Wait::Short(u64::from(order % 20));
            let app = app.clone();
            paid.spawn(async move {
                app.execute(Place {
                    wait,
                    ..Place::of(order)
                })
                .await
                .expect("places");
                app.execute(Pay { order }).await.expect("pays");
            });
        }
        while let Some(done) = paid.join_next().await {
            done.expect("pays");
        }
        recorded(&app, "shipped", 1).await;
        idle(&app).await;
        let mut order_of: HashMap<u32, Vec<String>> = HashMap::new();
        for event in app.events(EventQuery::All).all().await.expect("reads") {
            let order = event.data.json()["order"].as_u64();
            let Some(order) = order.and_then(|order| u32::try_from(order).ok()) else {
                continue;
            };
            order_of
                .entry(order)
                .or_default()
                .push(event.data.event_type.to_string());
        }
        assert_eq!(order_of.len(), 60);
        for (order, names) in order_of {
            let place = |name: &str| names.iter().position(|it| it == name);
            let (due, paid) = (place("payment-due"), place("paid"));
            assert!(due.is_none_or(|due| Some(due) < paid), "{order}: {names:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_nobody_worked_is_recorded_once() {
    on_each_twice(orders::module(), async |[web, worker]| {
        // It has the process manager, and leaves it to others.
        let web = web
            .roles([Role::Commands, Role::Queries])
            .build()
            .await
            .expect("builds");
        for order in 0..20 {
            let place = Place {
                wait: Wait::Past,
                ..Place::of(order)
            };
            web.execute(place).await.expect("places");
        }
        assert!(
            web.process::<orders::Checkout>(&0)
                .await
                .expect("reads")
                .is_none()
        );
        let worker = worker.build().await.expect("builds");
        idle(&worker).await;
        let all = names(&worker).await;
        assert_eq!(
            all.iter().filter(|it| *it == "payment-due").count(),
            20,
            "{all:?}"
        );
        assert_eq!(all.iter().filter(|it| *it == "canceled").count(), 20);
        assert_eq!(checkout(&web, 0).await.state.stage, Stage::Canceled);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_do_everything_once() {
    on_each_twice(orders::module(), async |apps| {
        let [first, second] = apps;
        let first = first.build().await.expect("builds");
        let second = second.build().await.expect("builds");
        first
            .subscriptions()
            .divide("checkout", 8)
            .await
            .expect("divides");
        for order in 0..100 {
            let wait = if order % 2 == 0 {
                Wait::Past
            } else {
                Wait::Short(5)
            };
            let app = if order % 3 == 0 { &first } else { &second };
            app.execute(Place {
                wait,
                ..Place::of(order)
            })
            .await
            .expect("places");
        }
        recorded(&first, "canceled", 100).await;
        idle(&first).await;
        idle(&second).await;
        let all = names(&first).await;
        let count = |name: &str| all.iter().filter(|it| *it == name).count();
        assert_eq!(
            ["reserved", "payment-due", "canceled"].map(count),
            [100, 100, 100]
        );
        for order in 0..100 {
            let ended = checkout(&second, order).await;
            assert_eq!(ended.state.stage, Stage::Canceled, "{order}");
        }
    })
    .await;
}

/// They are recorded at the same time, in batches.
#[tokio::test(flavor = "multi_thread")]
async fn many_deadlines_that_are_due_at_once_happen_once_each() {
    const ORDERS: u32 = 600;
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = Sqlite::open(path).await.expect("SQLite opens");
    let app = Dispatcher::builder().module(orders::module()).store(sqlite);
    let app = app.build().await.expect("builds");
    let subscriptions = app.subscriptions();
    let paused = subscriptions.pause("checkout", "not yet").await;
    paused.expect("pauses");
    let mut placed = JoinSet::new();
    for order in 0..ORDERS {
        let app = app.clone();
        let place = Place {
            wait: Wait::Past,
            ..Place::of(order)
        };
        placed.spawn(async move { app.execute(place).await.expect("places") });
    }
    placed.join_all().await;
    subscriptions.resume("checkout").await.expect("resumes");
    recorded(&app, "canceled", ORDERS as usize).await;
    idle(&app).await;
    let all = names(&app).await;
    for name in ["payment-due", "canceled"] {
        let count = all.iter().filter(|it| *it == name).count();
        assert_eq!(count, ORDERS as usize, "{name}");
    }
}

/// A fuse that burns at once, and whose aggregate cannot take that for now.
mod fuses {
    use std::sync::atomic::{AtomicBool, Ordering};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    pub static IS_WET: AtomicBool = AtomicBool::new(true);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Light {
        pub fuse: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "lit", version = 1)]
    pub struct Lit {
        #[id("fuse")]
        pub fuse: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "burned", version = 1)]
    pub struct Burned {
        #[id("fuse")]
        pub fuse: u32,
    }

    #[derive(Default)]
    pub struct Fuse {
        pub is_burned: bool,
    }

    #[aggregate(name = "fuse", id = u32)]
    impl Fuse {
        #[apply]
        fn burned(&mut self, _: &Burned) {
            assert!(!IS_WET.load(Ordering::SeqCst), "the fuse is wet");
            self.is_burned = true;
        }
    }

    #[command_handler]
    fn light(Light { fuse }: Light) -> Lit {
        Lit { fuse }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Burning;

    #[process_manager(name = "burning", id("fuse" = u32))]
    impl Burning {
        #[start]
        fn lit(&mut self, event: &Lit) -> Deadline<Burned> {
            let Lit { fuse } = *event;
            Deadline::at(Burned { fuse }, Timestamp::UNIX_EPOCH)
        }

        #[due]
        fn burned(&mut self, _: &Burned) -> End {
            End
        }
    }
}

/// As the event of a command, it is recorded only if aggregates can fold it.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_an_aggregate_cannot_fold_parks_the_instance() {
    on_each(fuses::module(), async |app| {
        fuses::IS_WET.store(true, Ordering::SeqCst);
        app.execute(fuses::Light { fuse: 1 }).await.expect("lights");
        idle(&app).await;
        let parked = app.subscriptions().parked("burning").await.expect("reads");
        let cause = &parked.first().expect("it is parked").cause;
        assert!(
            cause.contains("`burned`") && cause.contains("the fuse is wet"),
            "{cause}"
        );
        assert_eq!(names(&app).await, ["lit"]);
        fuses::IS_WET.store(false, Ordering::SeqCst);
        let released = app.subscriptions().release("burning", 1).await;
        released.expect("releases");
        recorded(&app, "burned", 1).await;
        idle(&app).await;
        assert!(app.state::<fuses::Fuse>(&1).await.expect("folds").is_burned);
    })
    .await;
}

/// The times of a log never decrease, and deadlines count from them.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_clock_has_gone_back_a_deadline_counts_from_the_last_event() {
    let days = Arc::new(AtomicU64::new(0));
    let clock = {
        let days = days.clone();
        move || Timestamp::UNIX_EPOCH + DAY * elapsed(&days)
    };
    on_each_with(
        orders::module(),
        |builder| builder.clock(clock.clone()),
        async |app| {
            days.store(10, Ordering::SeqCst);
            app.execute(Place::of(1)).await.expect("places");
            days.store(0, Ordering::SeqCst);
            let place = Place {
                wait: Wait::Short(1),
                ..Place::of(2)
            };
            let receipt = app.execute(place).await.expect("places");
            idle(&app).await;
            let waiting = checkout(&app, 2).await;
            let events = app.events(EventQuery::All).all().await.expect("reads");
            let mut events = events.iter();
            let placed = events.find(|event| event.position == receipt.last());
            let placed = placed.expect("it is there").meta.time;
            assert_eq!(placed, Timestamp::UNIX_EPOCH + DAY * 10);
            let due = waiting.deadlines[0].due.expect("it is a deadline");
            assert_eq!(due, placed + Duration::from_millis(1));
            days.store(11, Ordering::SeqCst);
            idle(&app).await;
            assert_eq!(checkout(&app, 2).await.state.stage, Stage::Canceled);
        },
    )
    .await;
}

fn elapsed(days: &AtomicU64) -> u32 {
    u32::try_from(days.load(Ordering::SeqCst)).expect("few")
}
