//! Nothing that stands still is healthy, in whichever process it is.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::{Builder, Health, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::support::stores::on_each_twice;

/// Bells that somebody answers, or not.
mod bells {
    use cqrs_core::prelude::*;
    use tokio::sync::watch;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Ring {}

    /// Concerns nobody.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Polish {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "bell-rung", version = 1)]
    pub struct BellRung {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "bell-polished", version = 1)]
    pub struct BellPolished {}

    #[command_handler]
    fn ring(_: Ring) -> BellRung {
        BellRung {}
    }

    #[command_handler]
    fn polish(_: Polish) -> BellPolished {
        BellPolished {}
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Porter {
        Answers,
        Sleeps,
        Fails,
    }

    #[event_handler]
    async fn answer(_: BellRung, porter: Service<watch::Sender<Porter>>) -> Result<()> {
        let mut porters = porter.subscribe();
        let porter = *porters.wait_for(|it| *it != Porter::Sleeps).await?;
        ensure!(
            porter != Porter::Fails,
            Error::message("the door is locked")
        );
        Ok(())
    }
}

/// Doors of which one is jammed, or not.
mod doors {
    use std::sync::atomic::{AtomicBool, Ordering};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    pub static IS_JAMMED: AtomicBool = AtomicBool::new(false);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Open {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "door-opened", version = 1)]
    pub struct DoorOpened {}

    #[command_handler]
    fn open(_: Open) -> DoorOpened {
        DoorOpened {}
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Opened {
        #[key]
        pub door: u32,
        pub times: u32,
    }

    pub struct Doors;

    #[projection(name = "doors", version = 1)]
    impl Doors {
        #[on]
        fn opened(_: &DoorOpened, doors: &mut Views<Opened>) -> Result<()> {
            let is_jammed = IS_JAMMED.load(Ordering::SeqCst);
            ensure!(!is_jammed, Error::message("it is jammed"));
            let first = || Opened { door: 1, times: 1 };
            doors.upsert(&1, first, |door| door.times += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct Times {}

    #[query_handler]
    async fn times(_: Times, doors: Read<Opened>) -> Result<u32> {
        Ok(doors.get(&1).await?.map_or(0, |door| door.times))
    }
}

use std::sync::atomic::Ordering;

use bells::{Polish, Porter, Ring};
use doors::{IS_JAMMED, Open, Times};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Time after which an event has waited for too long.
const PATIENCE: Duration = Duration::from_millis(400);

/// Two processes with a porter in common.
async fn processes(builders: [Builder; 2], porter: Porter) -> ([Dispatcher; 2], Porters) {
    let porters = Porters::new(watch::Sender::new(porter));
    let [first, second] = builders.map(|builder| {
        let builder = builder.provide(porters.clone());
        builder.stuck_after(PATIENCE).lease(PATIENCE)
    });
    let first = first.build().await.expect("builds");
    let second = second.build().await.expect("builds");
    ([first, second], porters)
}

type Porters = Arc<watch::Sender<Porter>>;

/// Waits until this holds for the states of both processes.
async fn until(apps: &[Dispatcher; 2], holds: impl Fn([&SubscriptionState; 2]) -> bool) {
    let wait = async {
        loop {
            let health = apps.each_ref().map(Dispatcher::health);
            if holds(health.each_ref().map(|it| &it.subscriptions[0].state)) {
                return;
            }
            // Nothing tells of a time that has passed.
            sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = timeout(LONG, wait).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", apps.each_ref().map(Dispatcher::health)));
}

async fn until_both_are_well(apps: &[Dispatcher; 2]) {
    until(apps, |states| {
        states.iter().all(|state| {
            matches!(
                state,
                SubscriptionState::Running | SubscriptionState::Standby
            )
        })
    })
    .await;
    assert!(apps.iter().all(|app| app.health().is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_does_not_return_shows_in_every_process() {
    on_each_twice(bells::module(), |builders| async {
        let (apps, porters) = processes(builders, Porter::Sleeps).await;
        apps[0].execute(Ring {}).await.expect("rings");
        let is_stuck = |state: &SubscriptionState| matches!(state, SubscriptionState::Stuck { .. });
        until(&apps, |states| states.into_iter().all(is_stuck)).await;
        for app in &apps {
            let health = app.health();
            assert!(!health.is_ok());
            let text = health.subscriptions[0].state.to_string();
            assert!(text.starts_with("nothing was handled since "), "{text}");
        }
        porters.send_replace(Porter::Answers);
        until_both_are_well(&apps).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_in_every_process() {
    on_each_twice(bells::module(), |builders| async {
        let (apps, porters) = processes(builders, Porter::Fails).await;
        apps[0].execute(Ring {}).await.expect("rings");
        until(&apps, |states| {
            let fails =
                |state: &SubscriptionState| matches!(state, SubscriptionState::Failing { .. });
            let is_stuck =
                |state: &SubscriptionState| matches!(state, SubscriptionState::Stuck { .. });
            states.into_iter().any(fails) && states.into_iter().any(is_stuck)
        })
        .await;
        porters.send_replace(Porter::Answers);
        until_both_are_well(&apps).await;
    })
    .await;
}

/// Of the events that were handled in the meantime, none waits any longer.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_slow_is_well_once_it_has_caught_up() {
    on_each_twice(bells::module(), |builders| async {
        let (apps, porters) = processes(builders, Porter::Sleeps).await;
        apps[0].execute(Ring {}).await.expect("rings");
        let is_stuck = |state: &SubscriptionState| matches!(state, SubscriptionState::Stuck { .. });
        until(&apps, |states| states.into_iter().all(is_stuck)).await;
        porters.send_replace(Porter::Answers);
        until_both_are_well(&apps).await;
        // Nothing happens, for longer than an event may wait.
        sleep(3 * PATIENCE).await;
        let health = apps.each_ref().map(Dispatcher::health);
        assert!(health.iter().all(Health::is_ok), "{health:?}");
    })
    .await;
}

/// Whoever waits for the next change only reads the checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_shows_while_its_queries_are_watched() {
    on_each_twice(doors::module(), |builders| async {
        let [first, second] = builders.map(|it| it.stuck_after(PATIENCE));
        let apps = [
            first.build().await.expect("builds"),
            second.build().await.expect("builds"),
        ];
        let mut watches = apps.each_ref().map(|app| app.watch(Times {}));
        for watch in &mut watches {
            let answer = watch.next().await.expect("goes on").expect("answers");
            assert_eq!(answer.output, 0);
        }
        let watching = watches.map(|mut watch| {
            tokio::spawn(async move { watch.next().await.expect("goes on").expect("answers") })
        });
        IS_JAMMED.store(true, Ordering::SeqCst);
        apps[0].execute(Open {}).await.expect("opens");
        until(&apps, |states| {
            states.into_iter().all(|state| {
                matches!(
                    state,
                    SubscriptionState::Failing { .. } | SubscriptionState::Stuck { .. }
                )
            })
        })
        .await;
        IS_JAMMED.store(false, Ordering::SeqCst);
        for watch in watching {
            assert_eq!(watch.await.expect("no panic").output, 1);
        }
        until_both_are_well(&apps).await;
    })
    .await;
}

/// The checkpoint stays where it is, since no event is handled.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_concern_nobody_are_not_waited_for() {
    on_each_twice(bells::module(), |builders| async {
        let (apps, _porters) = processes(builders, Porter::Answers).await;
        for _ in 0..20 {
            apps[0].execute(Polish {}).await.expect("polishes");
        }
        let recorded = apps[0].events(EventQuery::All).all().await;
        let head = recorded
            .expect("is read")
            .last()
            .expect("is there")
            .position;
        let has_looked = |app: &Dispatcher| app.health().subscriptions[0].position >= head;
        let wait = async {
            while !apps.iter().all(has_looked) {
                assert!(apps.iter().all(|app| app.health().is_ok()));
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, wait).await.expect("both have looked");
        until_both_are_well(&apps).await;
    })
    .await;
}

/// Nobody waits for a position, and the checkpoint stays where it is.
#[tokio::test(start_paused = true)]
async fn a_process_that_stands_by_learns_that_events_concern_nobody() {
    let store = Memory::new();
    let builders = [0, 1].map(|_| {
        let porters = Porters::new(watch::Sender::new(Porter::Answers));
        let builder = Dispatcher::builder().module(bells::module());
        builder.store(store.clone()).provide(porters)
    });
    let [first, second] = builders;
    let worker = first.build().await.expect("builds");
    worker.execute(Ring {}).await.expect("rings");
    worker.wait_until_idle(LONG).await.expect("comes to rest");
    let other = second.build().await.expect("builds");
    for _ in 0..3 {
        worker.execute(Polish {}).await.expect("is polished");
    }
    let head = worker.wait_until_idle(LONG).await.expect("comes to rest");
    let knows = async {
        while other.health().subscriptions[0].position < head {
            sleep(Duration::from_millis(10)).await;
        }
    };
    // By the clock of the test, which does not run while there is work.
    let in_time = timeout(Duration::from_secs(10), knows).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", other.health()));
    assert_eq!(
        other.health().subscriptions[0].state,
        SubscriptionState::Standby
    );
}
