//! Several processes with the same projections and reactions: one handles each event, and another
//! takes its place. What a store has to do with it is in the conformance suite.

mod joining;
mod locked;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::Memory;
use cqrs_core::app::{Builder, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::{Attendance, EventQuery, ShardStore as _, ViewStore as _, WorkerId};
use cqrs_postgres::Postgres;
use tokio::runtime;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::support::postgres::Schema;
use crate::support::stores::on_each_twice;

/// Parcels that are packed once they are ordered.
mod parcels {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use cqrs_core::prelude::*;
    use tokio::sync::{Notify, mpsc};

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Order {
        pub parcel: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Pack {
        pub parcel: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "parcel-ordered", version = 1)]
    pub struct ParcelOrdered {
        #[id("parcel")]
        pub parcel: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "parcel-packed", version = 1)]
    pub struct ParcelPacked {
        #[id("parcel")]
        pub parcel: u32,
    }

    #[command_handler]
    fn order(Order { parcel }: Order) -> ParcelOrdered {
        ParcelOrdered { parcel }
    }

    #[command_handler]
    fn pack(Pack { parcel }: Pack) -> ParcelPacked {
        ParcelPacked { parcel }
    }

    /// A process, and what it does besides.
    pub struct Process {
        pub number: usize,
        /// The process and the position of each event that was handled.
        pub handled: mpsc::UnboundedSender<(usize, u64)>,
        /// Fails once, after its commands.
        pub fails: AtomicBool,
        /// Waits after its commands.
        pub waits: AtomicBool,
        pub go_on: Notify,
        pub waiting: Arc<AtomicU32>,
    }

    /// Sends three commands, of which two are equal.
    #[event_handler]
    async fn prepare(
        event: ParcelOrdered,
        recorded: &Recorded,
        process: Service<Process>,
        app: &Dispatcher,
    ) -> Result<()> {
        let parcel = event.parcel;
        for parcel in [parcel, parcel, parcel + 1_000] {
            app.execute(Pack { parcel }).await?;
        }
        let position = recorded.position.get();
        process.handled.send((process.number, position))?;
        if process.waits.load(Ordering::SeqCst) {
            process.waiting.fetch_add(1, Ordering::SeqCst);
            process.go_on.notified().await;
        }
        if process.fails.swap(false, Ordering::SeqCst) {
            return Err(Error::message("not this time"));
        }
        Ok(())
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Packed {
        #[key]
        pub parcel: u32,
        pub times: u32,
    }

    pub struct Packing;

    #[projection(name = "packing", version = 1)]
    impl Packing {
        #[on]
        fn packed(event: &ParcelPacked, packed: &mut Views<Packed>) -> Result<()> {
            let parcel = event.parcel;
            let first = || Packed { parcel, times: 1 };
            packed.upsert(&parcel, first, |it| it.times += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct TimesPacked {
        pub parcel: u32,
    }

    #[query_handler]
    async fn times_packed(TimesPacked { parcel }: TimesPacked, it: Read<Packed>) -> Result<u32> {
        Ok(it.get(&parcel).await?.map_or(0, |it| it.times))
    }
}

use parcels::{Order, Process, TimesPacked};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

type Handled = mpsc::UnboundedReceiver<(usize, u64)>;

/// Two processes, to be built.
fn processes([first, second]: [Builder; 2]) -> ([Arc<Process>; 2], [Builder; 2], Handled) {
    let (handled, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicU32::new(0));
    let process = |number| {
        Arc::new(Process {
            number,
            handled: handled.clone(),
            fails: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            go_on: Notify::new(),
            waiting: waiting.clone(),
        })
    };
    let processes = [process(0), process(1)];
    let builders = [
        first.provide(processes[0].clone()),
        second.provide(processes[1].clone()),
    ];
    (processes, builders, receiver)
}

async fn order(app: &Dispatcher, parcel: u32) -> Receipt {
    app.execute(Order { parcel }).await.expect("is ordered")
}

async fn handled(events: &mut Handled, count: usize) -> Vec<(usize, u64)> {
    let mut all = Vec::new();
    while all.len() < count {
        let next = tokio::time::timeout(LONG, events.recv()).await;
        all.push(next.expect("in time").expect("a process is there"));
    }
    all
}

/// Waits until this holds.
async fn until(holds: impl Fn() -> bool, app: &Dispatcher) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, wait).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", app.health()));
}

/// How often each parcel was packed.
async fn packed(app: &Dispatcher, parcel: u32) -> u32 {
    app.wait_until_idle(LONG).await.expect("comes to rest");
    app.query(TimesPacked { parcel }).await.expect("answers")
}

/// Today two processes both reacted: 544 of 1,000 events.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_reacts_to_each_event() {
    on_each_twice(parcels::module(), |builders| async move {
        let (_processes, [first, second], mut events) = processes(builders);
        let apps = [
            first.build().await.expect("builds"),
            second.build().await.expect("builds"),
        ];
        for parcel in 0..100 {
            order(&apps[parcel as usize % 2], parcel).await;
        }
        let all = handled(&mut events, 100).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        let positions: BTreeSet<_> = all.iter().map(|(_, position)| position).collect();
        assert_eq!(positions.len(), 100, "each once: {all:?}");
        assert!(events.try_recv().is_err(), "and none again");
        for app in &apps {
            assert!(app.health().is_ok(), "{:?}", app.health());
            assert_eq!(packed(app, 7).await, 2);
        }
        // One of two shards has moved to the process that was built later.
        let is_shared = || {
            ["prepare", "packing"].iter().all(|name| {
                let all = apps.iter().flat_map(|app| app.health().subscriptions);
                let of_name = all.filter(|it| it.name == *name);
                of_name
                    .filter(|it| it.state == SubscriptionState::Running)
                    .count()
                    == 1
            })
        };
        until(is_shared, &apps[0]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_over_after_a_shutdown() {
    takes_over(|app| async move { app.shutdown(LONG).await.expect("shuts down") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_over_after_an_end_without_shutdown() {
    takes_over(|app| async move { drop(app) }).await;
}

/// So that a program that is started right after another one need not wait.
#[tokio::test]
async fn a_shutdown_gives_up_all_shards_before_it_returns() {
    let store = Memory::new();
    let builders = [0, 1].map(|_| Dispatcher::builder().module(parcels::module()));
    let (_processes, [builder, _], mut events) = processes(builders);
    let app = builder.store(store.clone()).build().await.expect("builds");
    order(&app, 1).await;
    handled(&mut events, 1).await;
    let owner = async || {
        let stored = store.shards("reaction:prepare".to_owned()).await;
        stored.expect("is read")[0].owner
    };
    assert!(owner().await.is_some());
    app.shutdown(LONG).await.expect("shuts down");
    assert_eq!(owner().await, None);
}

/// The lease does not end during the test.
async fn takes_over<F: Future<Output = ()>>(end: impl Fn(Dispatcher) -> F) {
    on_each_twice(parcels::module(), |builders| async {
        let (_processes, builders, mut events) = processes(builders);
        let [first, second] = builders.map(|builder| builder.lease(LONG * 60));
        let mut apps = vec![
            first.build().await.expect("builds"),
            second.build().await.expect("builds"),
        ];
        order(&apps[0], 1).await;
        let (owner, _) = handled(&mut events, 1).await[0];
        let ended = apps.remove(owner);
        end(ended).await;
        // A task that is aborted runs until it waits for something, so it may handle another event.
        let is_taken_over = || {
            let subscriptions = apps[0].health().subscriptions;
            let mut running = subscriptions.iter().filter(|it| it.name == "prepare");
            running.any(|it| it.state == SubscriptionState::Running)
        };
        until(is_taken_over, &apps[0]).await;
        order(&apps[0], 2).await;
        assert_eq!(packed(&apps[0], 2).await, 2);
        let (next, _) = handled(&mut events, 1).await[0];
        assert_eq!(next, 1 - owner);
    })
    .await;
}

/// I6: a reaction that runs again for an event sends commands with the same ids.
#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_that_is_repeated_repeats_no_command() {
    on_each_twice(parcels::module(), |builders| async move {
        let (processes, [first, _], mut events) = processes(builders);
        let app = first.build().await.expect("builds");
        processes[0].fails.store(true, Ordering::SeqCst);
        order(&app, 1).await;
        handled(&mut events, 2).await;
        assert_eq!(packed(&app, 1).await, 2, "equal commands are two");
        assert_eq!(packed(&app, 1_001).await, 1);
    })
    .await;
}

/// The commands of a reaction join the conversation of its event, with that as their cause.
#[tokio::test(flavor = "multi_thread")]
async fn commands_of_a_reaction_are_caused_by_its_event() {
    on_each_twice(parcels::module(), |builders| async move {
        let (_processes, [first, _], mut events) = processes(builders);
        let app = first.build().await.expect("builds");
        let receipt = order(&app, 1).await;
        handled(&mut events, 1).await;
        let recorded = app.events(EventQuery::All).all().await.expect("is read");
        let ordered = recorded
            .iter()
            .find(|it| it.meta.command == receipt.command());
        let ordered = &ordered.expect("was recorded").meta;
        let packed = recorded
            .iter()
            .filter(|it| it.data.event_type.as_str() == "parcel-packed");
        let packed: Vec<_> = packed.collect();
        assert_eq!(packed.len(), 3);
        for event in packed {
            assert_eq!(event.meta.causation, ordered.id.as_uuid());
            assert_eq!(event.meta.correlation, ordered.correlation);
        }
    })
    .await;
}

/// A process that hangs is replaced at the end of its lease. When it runs again, what it does has no
/// effect, and it stands by.
#[test]
fn a_process_that_hangs_is_replaced_and_harmless() {
    // What the first process runs in; it stands still whenever nothing is waited for in it.
    let first_runtime = runtime::Builder::new_current_thread().enable_all().build();
    let first_runtime = first_runtime.expect("a runtime");
    let second_runtime = runtime::Runtime::new().expect("a runtime");
    second_runtime.block_on(on_each_twice(parcels::module(), |builders| {
        let first_runtime = &first_runtime;
        async move {
            let (processes, builders, mut events) = processes(builders);
            let [first, second] = builders.map(|it| it.lease(Duration::from_millis(300)));
            processes[0].waits.store(true, Ordering::SeqCst);
            let hanging = tokio::task::block_in_place(|| {
                first_runtime.block_on(async {
                    let app = first.build().await.expect("builds");
                    order(&app, 1).await;
                    handled(&mut events, 1).await;
                    app
                })
            });
            let app = second.build().await.expect("builds");
            let again = handled(&mut events, 1).await;
            assert_eq!(again[0].0, 1, "the event is handled by the other one");
            assert_eq!(packed(&app, 1).await, 2);
            processes[0].go_on.notify_one();
            tokio::task::block_in_place(|| {
                first_runtime.block_on(async {
                    let stands_by = || {
                        let subscriptions = hanging.health().subscriptions;
                        let mut states = subscriptions.iter().map(|it| &it.state);
                        states.any(|state| *state == SubscriptionState::Standby)
                    };
                    until(stands_by, &hanging).await;
                });
            });
            order(&app, 2).await;
            let next = handled(&mut events, 1).await;
            assert_eq!(next[0].0, 1);
            assert_eq!(packed(&app, 1).await, 2, "no effect twice");
            assert_eq!(packed(&app, 2).await, 2);
            drop(hanging);
        }
    }));
}

/// It may be attending at the same moment. After an outage all processes are expired, and of those that wait
/// for each other the database would end one.
#[tokio::test]
async fn a_process_attends_without_waiting_for_the_place_of_another_one() {
    const TEST: &str = "a_process_attends_without_waiting_for_the_place_of_another_one";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let (store, client) = (schema.open().await, schema.client().await);
    let schema = schema.name();
    let insert = format!(
        "INSERT INTO {schema}.workers (id, subscriptions, expires) \
         SELECT gen_random_uuid(), '{{}}', now() - interval '1 minute' FROM generate_series(1, 2)"
    );
    let lock = format!("BEGIN; SELECT FROM {schema}.workers LIMIT 1 FOR UPDATE");
    for statement in [insert, lock] {
        client.batch_execute(&statement).await.expect("it is done");
    }
    let attendance = Attendance {
        worker: WorkerId::new(),
        subscriptions: Vec::new(),
        lease: LONG,
    };
    let shards = store.view_capabilities().shards.expect("it has shards");
    let roster = timeout(LONG, shards.attend(attendance.clone())).await;
    let roster = roster.expect("it does not wait").expect("it attends");
    assert_eq!(roster.workers, [(attendance.worker, Vec::new())]);
    let count = format!("SELECT count(*) FROM {schema}.workers");
    let row = client.query_one(&count, &[]).await.expect("a count");
    assert_eq!(row.get::<_, i64>(0), 2, "the one that is locked stays");
}

/// The server or the network may end its connection for notifications, by which its death would be noticed.
#[tokio::test]
async fn a_process_that_has_to_connect_again_does_not_count_as_dead() {
    const TEST: &str = "a_process_that_has_to_connect_again_does_not_count_as_dead";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let (store, client) = (schema.open().await, schema.client().await);
    let attendance = Attendance {
        worker: WorkerId::new(),
        subscriptions: Vec::new(),
        lease: LONG,
    };
    let shards = store.view_capabilities().shards.expect("it has shards");
    shards.attend(attendance).await.expect("it attends");
    let schema = schema.name();
    let terminate = format!("SELECT pg_terminate_backend(backend, 60000) FROM {schema}.workers");
    let row = client.query_one(&terminate, &[]).await;
    assert!(row.expect("there is one").get::<_, bool>(0));
    // It does not attend again meanwhile.
    let count = format!("SELECT count(*) FROM {schema}.live_workers");
    let is_alive = async {
        while client
            .query_one(&count, &[])
            .await
            .expect("a count")
            .get::<_, i64>(0)
            == 0
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, is_alive).await.expect("it is alive again");
}
