//! Workers of projections and reactions: whatever ends or stops one shows, and what can go on does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cqrs_core::app::{Builder, SubscriptionState};
use cqrs_core::prelude::*;

use crate::support::stores::on_each_with;

/// A read model whose code panics where it is told to.
mod fragile {
    use std::sync::Mutex;

    use cqrs_core::prelude::*;
    use cqrs_core::views::{Indexed, SortKey};

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Measure {
        pub label: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "measured", version = 1)]
    pub struct Measured {
        pub label: String,
    }

    #[command_handler]
    fn measure(Measure { label }: Measure) -> Measured {
        Measured { label }
    }

    /// Where user code of a view panics.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Panics {
        Nowhere,
        Serialize,
        Deserialize,
        Clone,
        SortKey,
        Key,
    }

    pub static PANICS: Mutex<Panics> = Mutex::new(Panics::Nowhere);

    fn panic_at(place: Panics) {
        // Read before the panic, so that the lock is not poisoned.
        let panics = *PANICS.lock().expect("nobody panics with it");
        assert!(panics != place, "no {place:?} today");
    }

    /// A text whose code panics when it is told to.
    #[derive(Debug)]
    pub struct Fragile(String);

    impl Clone for Fragile {
        fn clone(&self) -> Self {
            panic_at(Panics::Clone);
            Self(self.0.clone())
        }
    }

    impl Serialize for Fragile {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            panic_at(Panics::Serialize);
            self.0.serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Fragile {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            panic_at(Panics::Deserialize);
            Ok(Self(String::deserialize(deserializer)?))
        }
    }

    impl Indexed for Fragile {
        fn sort_key(&self, key: &mut SortKey) {
            panic_at(Panics::SortKey);
            self.0.sort_key(key);
        }
    }

    impl std::fmt::Display for Fragile {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic_at(Panics::Key);
            f.write_str(&self.0)
        }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Reading {
        #[key]
        key: Fragile,
        #[index]
        label: Fragile,
        times: u32,
    }

    pub struct Readings;

    #[projection(name = "readings", version = 1)]
    impl Readings {
        #[on]
        fn measured(event: &Measured, readings: &mut Views<Reading>) -> Result<()> {
            let first = || Reading {
                key: Fragile("all".to_owned()),
                label: Fragile(event.label.clone()),
                times: 1,
            };
            readings.upsert("all", first, |reading| reading.times += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct TimesMeasured;

    #[query_handler]
    async fn times_measured(_: TimesMeasured, readings: Read<Reading>) -> Result<u32> {
        Ok(readings
            .get("all")
            .await?
            .map_or(0, |reading| reading.times))
    }
}

fn any(builder: Builder) -> Builder {
    builder
}

async fn failure(app: &Dispatcher) -> String {
    loop {
        let health = app.health();
        let [subscription] = &health.subscriptions[..] else {
            panic!("one projection: {health:?}");
        };
        if let SubscriptionState::Failing { error, .. } = &subscription.state {
            assert!(!health.is_ok());
            return error.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_panic_in_a_views_code_names_event_and_view_and_is_tried_again() {
    use fragile::Panics::{Clone, Deserialize, Key, Nowhere, Serialize, SortKey};
    use fragile::{Measure, PANICS, TimesMeasured};
    on_each_with(fragile::module(), any, |app| async move {
        let mut times = 0;
        let measure = || app.execute(Measure { label: "a".into() });
        for place in [Serialize, SortKey, Key, Clone, Deserialize] {
            *PANICS.lock().expect("nobody panics with it") = place;
            let receipt = measure().await.expect("is recorded");
            let error = failure(&app).await;
            let at = format!(
                "failed at the event at position {} (`measured`): ",
                receipt.last()
            );
            assert!(error.contains(&at), "{place:?}: {error}");
            assert!(
                error.contains(&format!("panicked: no {place:?} today")),
                "{error}"
            );
            if place != Key {
                assert!(
                    error.contains("view `all` of `reading`"),
                    "{place:?}: {error}"
                );
            }
            *PANICS.lock().expect("nobody panics with it") = Nowhere;
            let answer = app.query(TimesMeasured).after(&receipt).await;
            times += 1;
            assert_eq!(answer.expect("answers"), times, "{place:?}");
            assert!(app.health().is_ok(), "{:?}", app.health());
        }
    })
    .await;
}

mod idle {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "ticked", version = 1)]
    pub struct Ticked;

    #[command_handler]
    fn tick(_: Tick) -> Ticked {
        Ticked
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Clock {
        #[key]
        key: u8,
        ticks: u64,
    }

    pub struct Clocks;

    #[projection(name = "clocks", version = 1)]
    impl Clocks {
        #[on]
        fn ticked(_: &Ticked, clocks: &mut Views<Clock>) -> Result<()> {
            clocks.upsert(&0, || Clock { key: 0, ticks: 1 }, |clock| clock.ticks += 1)
        }
    }

    #[event_handler]
    fn listen(_: Ticked) {}

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct Ticks;

    #[query_handler]
    async fn ticks(_: Ticks, clocks: Read<Clock>) -> Result<u64> {
        Ok(clocks.get(&0).await?.map_or(0, |clock| clock.ticks))
    }
}

#[test]
fn workers_whose_runtime_has_ended_are_stopped_and_nobody_waits_for_them() {
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let first = runtime();
    let app = first.block_on(async {
        let builder = Dispatcher::builder().module(idle::module());
        builder.store(Memory::new()).build().await.expect("builds")
    });
    assert!(app.health().is_ok());
    drop(first);
    let health = app.health();
    assert!(!health.is_ok());
    assert_eq!(health.subscriptions.len(), 2);
    for subscription in &health.subscriptions {
        let SubscriptionState::Ended { reason } = &subscription.state else {
            panic!("{subscription:?}");
        };
        assert!(reason.contains("runtime"), "{reason}");
    }
    runtime().block_on(async {
        let receipt = app.execute(idle::Tick).await.expect("is recorded");
        let started = Instant::now();
        let query = app.query(idle::Ticks).after(&receipt);
        let error = query
            .max_wait(Duration::MAX)
            .await
            .expect_err("does not wait");
        let text = error.to_string();
        let start = "projection `clocks` has stopped after position 0 and will not reach 1: ";
        assert!(text.starts_with(start), "{text}");
        let behind = app
            .wait_until_caught_up(receipt.last(), Duration::MAX)
            .await;
        assert!(behind.expect_err("does not wait").stopped.is_some());
        assert!(started.elapsed() < Duration::from_secs(60));
        assert_eq!(
            app.query(idle::Ticks).await.expect("reads what is there"),
            0
        );
    });
}

#[tokio::test]
async fn waits_may_be_for_ever() {
    on_each_with(
        idle::module(),
        |builder| builder.max_wait(Duration::MAX),
        |app| async move {
            let receipt = app.execute(idle::Tick).await.expect("is recorded");
            let answer = app.query(idle::Ticks).after(&receipt).await;
            assert_eq!(answer.expect("answers"), 1);
            let answer = app
                .query(idle::Ticks)
                .after(&receipt)
                .max_wait(Duration::MAX)
                .await;
            assert_eq!(answer.expect("answers"), 1);
            let arrived = app
                .wait_until_caught_up(receipt.last(), Duration::MAX)
                .await;
            arrived.expect("arrives");
        },
    )
    .await;
}

mod stubborn {
    use super::{AtomicU32, Ordering};
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Default)]
    pub struct Tries(pub AtomicU32);

    pub static FOLDS: AtomicU32 = AtomicU32::new(0);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Knock {
        pub hard: bool,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "knocked", version = 1)]
    pub struct Knocked {
        pub hard: bool,
    }

    #[command_handler]
    fn knock(Knock { hard }: Knock) -> Knocked {
        Knocked { hard }
    }

    pub struct Doors;

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Door {
        #[key]
        key: u8,
    }

    #[projection(name = "doors", version = 1)]
    impl Doors {
        #[on]
        fn knocked(event: &Knocked, _: &mut Views<Door>) -> Result<()> {
            // Of the first events it changes nothing, so the checkpoint stays where it is.
            if event.hard {
                FOLDS.fetch_add(1, Ordering::SeqCst);
                return Err(Error::message("nobody is in"));
            }
            Ok(())
        }
    }

    #[event_handler]
    fn answer(event: Knocked, tries: Service<Tries>) -> Result<()> {
        if event.hard {
            tries.0.fetch_add(1, Ordering::SeqCst);
            return Err(Error::message("nobody answers"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn pauses_grow_while_an_event_keeps_failing_though_the_checkpoint_stays() {
    use stubborn::{FOLDS, Knock, Tries};
    let tries = Arc::new(Tries::default());
    let builder = Dispatcher::builder().module(stubborn::module());
    let builder = builder.provide(tries.clone()).store(Memory::new());
    let app = builder.build().await.expect("builds");
    for hard in [false, false, true] {
        app.execute(Knock { hard }).await.expect("is recorded");
    }
    tokio::time::pause();
    // A minute of virtual time, which passes whenever nothing else is to be done.
    tokio::time::sleep(Duration::from_secs(60)).await;
    for (times, what) in [(&FOLDS, "folds"), (&tries.0, "reactions")] {
        let times = times.load(Ordering::SeqCst);
        assert!((8..20).contains(&times), "{what}: {times} in a minute");
    }
    for subscription in app.health().subscriptions {
        let SubscriptionState::Failing { attempts, .. } = subscription.state else {
            panic!("{subscription:?}");
        };
        assert!(
            (8..20).contains(&attempts),
            "{}: {attempts} attempts",
            subscription.name
        );
    }
}
