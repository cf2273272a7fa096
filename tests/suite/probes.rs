//! Liveness and readiness, as values for a probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cqrs_core::app::{Builder, ProbeResult, Role, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::{Attendance, BoxFuture, Roster, ShardStore, StoreError};
use tokio::sync::Notify;

use crate::support::decorated::{Decorated, Hooks};
use crate::support::stores::on_each_twice;

/// Bells, of which some cannot be counted.
mod bells {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use cqrs_core::prelude::*;
    use tokio::sync::Notify;

    cqrs_core::module!();

    /// The bells that cannot be counted.
    static BROKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

    pub fn broken() -> MutexGuard<'static, BTreeSet<u32>> {
        BROKEN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Ring {
        pub bell: u32,
    }

    /// A handler of this waits until it is told to go on.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct RingLater {
        pub bell: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "bell-rung", version = 1)]
    pub struct BellRung {
        #[id("bell")]
        pub bell: u32,
    }

    #[command_handler]
    fn ring(Ring { bell }: Ring) -> BellRung {
        BellRung { bell }
    }

    #[command_handler]
    async fn ring_later(command: RingLater, gate: Service<Gate>) -> BellRung {
        gate.begun.notify_one();
        gate.open.notified().await;
        BellRung { bell: command.bell }
    }

    #[derive(Default)]
    pub struct Gate {
        pub begun: Notify,
        pub open: Notify,
    }

    pub fn gate() -> Arc<Gate> {
        Arc::default()
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Bell {
        #[key]
        pub bell: u32,
    }

    pub struct Bells;

    #[projection(name = "bells", version = 1)]
    impl Bells {
        #[on]
        fn rung(event: &BellRung, bells: &mut Views<Bell>) -> Result<()> {
            if broken().contains(&event.bell) {
                return Err(Error::message("it has a crack"));
            }
            bells.put(Bell { bell: event.bell });
            Ok(())
        }
    }
}

use bells::{Gate, Ring, RingLater, broken, gate};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Waits until this holds.
async fn until(app: &Dispatcher, holds: impl Fn(&Dispatcher) -> bool) {
    let wait = async {
        while !holds(app) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, wait).await;
    in_time.unwrap_or_else(|_| panic!("{} {:?}", app.readiness(), app.health()));
}

async fn ready(app: &Dispatcher) {
    until(app, |app| app.readiness().is_ok()).await;
}

fn given(builder: Builder) -> Builder {
    builder.provide(gate()).lease(Duration::from_millis(300))
}

fn assert_reason(probe: &ProbeResult, reason: &str) {
    assert!(!probe.is_ok());
    assert!(probe.to_string().contains(reason), "{probe}");
    assert!(
        probe.reasons().iter().any(|it| it.contains(reason)),
        "{probe:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_ready_once_its_read_models_have_caught_up() {
    // Bells of other numbers than those of the other tests, which run at the same time.
    let cracked = 100;
    on_each_twice(bells::module(), |[first, second]| async move {
        let ringing = given(first).roles([Role::Commands]);
        let ringing = ringing.build().await.expect("builds");
        assert!(ringing.readiness().is_ok(), "it answers no queries");
        broken().insert(cracked);
        for bell in [1, cracked] {
            ringing.execute(Ring { bell }).await.expect("is rung");
        }
        let app = given(second).ready_lag(0).build().await.expect("builds");
        until(&app, |app| !app.health().is_ok()).await;
        let reason = "projection `bells` has not caught up: it is at position 1 of 2 (";
        assert_reason(&app.readiness(), reason);
        assert_reason(&app.readiness(), "it has a crack");
        assert!(app.liveness().is_ok(), "a restart would not help");

        broken().remove(&cracked);
        app.subscriptions()
            .retry("bells")
            .await
            .expect("is retried");
        ready(&app).await;
        assert_eq!(app.readiness().to_string(), "ok");

        // From now on, that is a matter of the application's health.
        broken().insert(cracked);
        app.execute(Ring { bell: cracked }).await.expect("is rung");
        until(&app, |app| !app.health().is_ok()).await;
        assert!(app.readiness().is_ok() && app.liveness().is_ok());
        broken().remove(&cracked);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_projection_takes_no_process_out_of_service() {
    let cracked = 200;
    on_each_twice(bells::module(), |builders| async move {
        let [first, second] = builders.map(|it| given(it).retry_for(Duration::ZERO));
        broken().insert(cracked);
        let app = first.build().await.expect("builds");
        ready(&app).await;
        app.execute(Ring { bell: cracked }).await.expect("is rung");
        let has_stopped = |app: &Dispatcher| {
            let subscriptions = app.health().subscriptions;
            matches!(subscriptions[0].state, SubscriptionState::Stopped { .. })
        };
        until(&app, has_stopped).await;
        assert!(app.readiness().is_ok() && !app.health().is_ok());
        // Nor one that begins now: it may have the fix.
        let next = second.build().await.expect("builds");
        until(&next, has_stopped).await;
        ready(&next).await;
        broken().remove(&cracked);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_handles_no_events_is_ready_once_another_one_has_caught_up() {
    on_each_twice(bells::module(), |[web, worker]| async move {
        let web = given(web).roles([Role::Commands, Role::Queries]);
        let web = web.ready_lag(0).build().await.expect("builds");
        ready(&web).await;
        let receipt = web.execute(Ring { bell: 1 }).await.expect("is rung");
        let other = Dispatcher::builder().module(bells::module());
        let other = given(other.stores_of(&web)).roles([Role::Queries]);
        let other = other.ready_lag(0).build().await.expect("builds");
        until(&other, |other| {
            let subscriptions = other.health().subscriptions;
            subscriptions[0].state == SubscriptionState::Unattended
        })
        .await;
        assert_reason(&other.readiness(), "no process handles its events");
        let worker = given(worker).roles([Role::Projections]);
        let worker = worker.build().await.expect("builds");
        assert!(worker.readiness().is_ok(), "it answers no queries");
        ready(&other).await;
        let health = other.health();
        assert!(
            health.subscriptions[0].position >= receipt.last(),
            "{health:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_not_ready_as_soon_as_it_shuts_down_and_stays_live() {
    on_each_twice(bells::module(), |[builder, _]| async move {
        let gate = Arc::new(Gate::default());
        let app = builder.provide(gate.clone()).build().await.expect("builds");
        ready(&app).await;
        let ringing = tokio::spawn({
            let app = app.clone();
            async move { app.execute(RingLater { bell: 1 }).await }
        });
        gate.begun.notified().await;
        let ended = Notify::new();
        let shutdown = async {
            app.shutdown(LONG).await.expect("ends");
            ended.notify_one();
        };
        let probed = async {
            // The shutdown, which is polled first, has begun.
            assert_reason(&app.readiness(), "it is shutting down, or is shut down");
            assert!(app.liveness().is_ok());
            gate.open.notify_one();
            ended.notified().await;
        };
        tokio::join!(biased; shutdown, probed);
        ringing.await.expect("ends").expect("is rung");
        assert_reason(&app.readiness(), "it is shutting down, or is shut down");
        assert!(app.liveness().is_ok(), "{}", app.liveness());
    })
    .await;
}

#[test]
fn a_process_whose_runtime_has_ended_is_neither_live_nor_ready() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let app = runtime.block_on(async {
        let builder = Dispatcher::builder().module(bells::module());
        let builder = given(builder).store(Memory::new());
        let app = builder.build().await.expect("builds");
        ready(&app).await;
        assert!(app.liveness().is_ok());
        app
    });
    drop(runtime);
    for probe in [app.liveness(), app.readiness()] {
        for task in ["bells", "coordinator"] {
            let reason =
                format!("the task of `{task}` has ended without a shutdown: restart this process");
            assert_reason(&probe, &reason);
        }
    }
}

/// A view store that answers some of the time.
struct Outage {
    is_down: Arc<AtomicBool>,
}

impl Hooks<Memory> for Outage {
    fn attend<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        attendance: Attendance,
    ) -> BoxFuture<'a, Result<Roster, StoreError>> {
        if self.is_down.load(Ordering::SeqCst) {
            let error = StoreError::Unavailable {
                reason: "the network is down".into(),
            };
            return Box::pin(async { Err(error) });
        }
        shards.attend(attendance)
    }
}

#[tokio::test]
async fn a_process_whose_store_does_not_answer_is_not_ready_until_it_does() {
    let is_down = Arc::new(AtomicBool::new(false));
    let hooks = Outage {
        is_down: is_down.clone(),
    };
    let store = Arc::new(Memory::new());
    let builder = given(Dispatcher::builder().module(bells::module()));
    let builder = builder.store(Decorated { store, hooks });
    let app = builder.build().await.expect("builds");
    ready(&app).await;
    is_down.store(true, Ordering::SeqCst);
    until(&app, |app| !app.readiness().is_ok()).await;
    assert_reason(&app.readiness(), "a view store fails: ");
    assert_reason(&app.readiness(), "the network is down");
    assert!(app.liveness().is_ok(), "a restart would not help");
    is_down.store(false, Ordering::SeqCst);
    ready(&app).await;
}
