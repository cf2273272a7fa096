//! Projections and reactions that are divided into shards by the id of an aggregate, and divided anew while
//! events come in: each event is handled once, in some process. What a store has to do with it is in the
//! conformance suite.

use std::collections::BTreeSet;
use std::time::Duration;

use cqrs_core::app::{Builder, SubscriptionHealth, SubscriptionState};
use cqrs_core::error::OperationError;
use cqrs_core::prelude::*;
use cqrs_core::{Memory, Position};
use tokio::sync::mpsc;

use crate::support::stores::on_each_twice;

/// Meters that are read. Each reading is billed.
mod meters {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// The meter whose readings fail.
    static BROKEN: Mutex<Option<u32>> = Mutex::new(None);

    pub fn broken() -> MutexGuard<'static, Option<u32>> {
        BROKEN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct ReadMeter {
        pub meter: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Bill {
        pub meter: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "meter-read", version = 1)]
    pub struct MeterRead {
        #[id("meter")]
        pub meter: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "billed", version = 1)]
    pub struct Billed {
        #[id("meter")]
        pub meter: u32,
    }

    #[command_handler]
    fn read(ReadMeter { meter }: ReadMeter) -> MeterRead {
        MeterRead { meter }
    }

    #[command_handler]
    fn bill(Bill { meter }: Bill) -> Billed {
        Billed { meter }
    }

    #[event_handler(partition = "meter")]
    async fn billing(event: MeterRead, app: &Dispatcher) -> Result<()> {
        app.execute(Bill { meter: event.meter }).await?;
        Ok(())
    }

    #[derive(ReadModel, Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
    pub struct Meter {
        #[key]
        pub id: u32,
        pub readings: u32,
        pub bills: u32,
        /// Position of the last event.
        pub last: u64,
        /// An event came after a later one.
        pub is_out_of_order: bool,
    }

    pub struct Meters;

    #[projection(name = "meters", version = 1, partition = "meter")]
    impl Meters {
        #[on]
        fn read(event: &MeterRead, recorded: &Recorded, meters: &mut Views<Meter>) -> Result<()> {
            if *broken() == Some(event.meter) {
                return Err(Error::message("the meter is broken"));
            }
            change(event.meter, recorded, meters, |it| it.readings += 1)
        }

        #[on]
        fn billed(event: &Billed, recorded: &Recorded, meters: &mut Views<Meter>) -> Result<()> {
            change(event.meter, recorded, meters, |it| it.bills += 1)
        }
    }

    fn change(
        meter: u32,
        recorded: &Recorded,
        meters: &mut Views<Meter>,
        change: impl FnOnce(&mut Meter),
    ) -> Result<()> {
        let found = meters.get(&meter)?;
        let mut view = found.unwrap_or_else(|| Meter {
            id: meter,
            ..Meter::default()
        });
        let position = recorded.position.get();
        view.is_out_of_order |= position <= view.last;
        view.last = position;
        change(&mut view);
        meters.put(view);
        Ok(())
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Option<Meter>)]
    pub struct FindMeter {
        pub meter: u32,
    }

    #[query_handler]
    async fn find(query: FindMeter, meters: Read<Meter>) -> Result<Option<Meter>> {
        meters.get(&query.meter).await
    }
}

/// The same projection in a program that does not partition it.
mod plain {
    use cqrs_core::prelude::*;

    use super::meters::MeterRead;

    cqrs_core::module!();

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Meter {
        #[key]
        pub id: u32,
    }

    pub struct Meters;

    // Its views are not looked at.
    #[projection(name = "meters", version = 1, unchanged = "27f2eefe55ab3f0f")]
    impl Meters {
        #[on]
        fn read(event: &MeterRead, meters: &mut Views<Meter>) {
            meters.put(Meter { id: event.meter });
        }
    }
}

/// A view that several meters change.
mod totals {
    use cqrs_core::prelude::*;

    use super::meters::MeterRead;

    cqrs_core::module!();

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Total {
        #[key]
        pub street: String,
        pub readings: u32,
    }

    pub struct Totals;

    #[projection(name = "totals", version = 1, partition = "meter")]
    impl Totals {
        #[on]
        fn read(_: &MeterRead, totals: &mut Views<Total>) -> Result<()> {
            let street = "Main Street".to_owned();
            let first = || Total {
                street,
                readings: 1,
            };
            totals.upsert("Main Street", first, |it| it.readings += 1)
        }
    }
}

/// Events that belong to no shard, or to several.
mod astray {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "street-closed", version = 1)]
    pub struct StreetClosed {
        #[id("street")]
        pub street: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "meters-swapped", version = 1)]
    pub struct MetersSwapped {
        #[id("meter")]
        pub one: u32,
        #[id("meter")]
        pub other: u32,
    }

    #[event_handler(partition = "meter")]
    fn closed(_: StreetClosed) {}

    pub struct Swaps;

    #[projection(name = "swaps", version = 1, partition = "meter")]
    impl Swaps {
        #[on]
        fn swapped(_: &MetersSwapped) {}
    }
}

use meters::{FindMeter, Meter, ReadMeter, broken};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

const NAMES: [&str; 2] = ["meters", "billing"];

async fn apps(builders: [Builder; 2]) -> [Dispatcher; 2] {
    let [first, second] = builders;
    [
        first.build().await.expect("builds"),
        second.build().await.expect("builds"),
    ]
}

async fn read(app: &Dispatcher, meter: u32) -> Receipt {
    app.execute(ReadMeter { meter }).await.expect("is read")
}

async fn divide(app: &Dispatcher, shards: u16) {
    for name in NAMES {
        let divided = app.subscriptions().divide(name, shards).await;
        divided.unwrap_or_else(|error| panic!("{name} into {shards}: {error}"));
    }
}

fn health(app: &Dispatcher, name: &str) -> SubscriptionHealth {
    let mut all = app.health().subscriptions.into_iter();
    all.find(|it| it.name == name).expect("it is there")
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_event_is_handled_once_while_shards_come_and_go() {
    const METERS: u32 = 24;
    const READINGS: u32 = 12;
    on_each_twice(meters::module(), |builders| async {
        let apps = apps(builders).await;
        let (read_all, rounds) = mpsc::channel(1);
        let reading = async {
            for number in 0..READINGS {
                let app = &apps[number as usize % 2];
                let receipts = (0..METERS).map(|meter| read(app, meter));
                futures_util::future::join_all(receipts).await;
                let _: Result<(), _> = read_all.send(()).await;
            }
        };
        let dividing = async {
            // Closed after the last division.
            let mut rounds = rounds;
            for (number, shards) in [3, 1, 8, 2, 5, 1, 4].into_iter().enumerate() {
                divide(&apps[number % 2], shards).await;
                rounds.recv().await.expect("there are more rounds");
            }
        };
        tokio::join!(reading, dividing);
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        for meter in 0..METERS {
            let found = apps[0].query(FindMeter { meter }).await.expect("answers");
            let found = found.expect("it was read");
            let expected = Meter {
                id: meter,
                readings: READINGS,
                bills: READINGS,
                last: found.last,
                is_out_of_order: false,
            };
            assert_eq!(found, expected);
        }
        for (app, name) in apps.iter().zip(NAMES) {
            until(|| health(app, name).shards.len() == 4, app).await;
        }
        // Both processes work.
        let is_shared = || {
            apps.iter().all(|app| {
                let shards = NAMES.iter().flat_map(|name| health(app, name).shards);
                let running = shards.filter(|it| it.state == SubscriptionState::Running);
                running.count() == 4
            })
        };
        until(is_shared, &apps[0]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_for_all_shards_wherever_they_are_handled() {
    on_each_twice(meters::module(), |builders| async {
        let apps = apps(builders).await;
        divide(&apps[0], 4).await;
        for meter in 0..20 {
            for (one, other) in [(0, 1), (1, 0)] {
                let receipt = read(&apps[one], meter).await;
                for app in [&apps[one], &apps[other]] {
                    let found = app.query(FindMeter { meter }).after(&receipt).await;
                    let found = found.expect("answers").expect("it was read");
                    assert!(found.last >= receipt.last().get(), "{found:?}");
                }
            }
        }
    })
    .await;
}

/// A meter that no other test has.
const BROKEN: u32 = 3_003;

#[tokio::test(flavor = "multi_thread")]
async fn one_shard_stops_and_the_others_go_on() {
    on_each_twice(meters::module(), |builders| async {
        let apps = apps(builders.map(|it| it.retry_for(Duration::from_millis(1)))).await;
        let subscriptions = apps[0].subscriptions();
        divide(&apps[0], 8).await;
        *broken() = Some(BROKEN);
        let receipt = read(&apps[0], BROKEN).await;
        let is_stopped = || {
            let state = health(&apps[1], "meters").state;
            matches!(state, SubscriptionState::Stopped { .. })
        };
        until(is_stopped, &apps[1]).await;
        let shards = health(&apps[1], "meters").shards;
        let stopped = shards
            .iter()
            .filter(|it| matches!(it.state, SubscriptionState::Stopped { .. }));
        assert_eq!(stopped.count(), 1, "{shards:?}");
        let refused = subscriptions.divide("meters", 2).await;
        assert!(
            matches!(refused, Err(OperationError::Stopped { .. })),
            "{refused:?}"
        );
        let wrong = subscriptions.skip("meters", Position::new(9_999), "?").await;
        assert!(
            matches!(wrong, Err(OperationError::NotNext { next: Some(at), .. }) if at == receipt.last()),
            "{wrong:?}"
        );
        // Some of them are in other shards.
        for meter in 10..20 {
            read(&apps[0], meter).await;
        }
        let mut found = BTreeSet::new();
        while found.is_empty() {
            for meter in 10..20 {
                let view = apps[0].query(FindMeter { meter }).await.expect("answers");
                found.extend(view.map(|view| view.id));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        *broken() = None;
        subscriptions.retry("meters").await.expect("is retried");
        until(|| apps.iter().all(|app| app.health().is_ok()), &apps[1]).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        let view = apps[1].query(FindMeter { meter: BROKEN }).await;
        let view = view.expect("answers").expect("it was read");
        assert_eq!((view.readings, view.bills), (1, 1));
        // A pause is that of all shards.
        subscriptions.pause("meters", "maintenance").await.expect("pauses");
        let shards = health(&apps[0], "meters").shards;
        assert!(
            shards
                .iter()
                .all(|it| matches!(it.state, SubscriptionState::Paused { .. })),
            "{shards:?}"
        );
        divide(&apps[0], 2).await;
        read(&apps[0], BROKEN).await;
        subscriptions.resume("meters").await.expect("goes on");
        let position = apps[0].wait_until_idle(LONG).await.expect("comes to rest");
        let view = apps[0].query(FindMeter { meter: BROKEN }).after_position(position).await;
        let view = view.expect("answers").expect("it was read");
        assert_eq!((view.readings, view.bills), (2, 2));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_divided_is_not() {
    let app = Dispatcher::builder()
        .module(meters::module())
        .store(Memory::new());
    let app = app.build().await.expect("builds");
    for shards in [0, 1025] {
        let refused = app.subscriptions().divide("meters", shards).await;
        assert!(
            matches!(refused, Err(OperationError::ShardCount { .. })),
            "{refused:?}"
        );
    }
    let app = Dispatcher::builder()
        .module(plain::module())
        .store(Memory::new());
    let app = app.build().await.expect("builds");
    let refused = app.subscriptions().divide("meters", 2).await;
    assert!(
        matches!(refused, Err(OperationError::NotPartitioned { .. })),
        "{refused:?}"
    );
}

/// It would count each event for itself, and others would wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_partition_leaves_the_shards_to_others() {
    let store = Memory::new();
    let builder = Dispatcher::builder().module(meters::module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    divide(&app, 2).await;
    let builder = Dispatcher::builder().module(plain::module());
    let other = builder.store(store).build().await.expect("builds");
    let is_failing = || {
        let state = health(&other, "meters").state;
        matches!(state, SubscriptionState::Failing { error, .. } if error.contains("divide it into 1 shard"))
    };
    until(is_failing, &other).await;
    for meter in 0..10 {
        let receipt = read(&app, meter).await;
        let found = app.query(FindMeter { meter }).after(&receipt).await;
        assert!(found.expect("answers").is_some());
    }
    assert!(!other.health().is_ok());
    app.shutdown(LONG).await.expect("shuts down");
}

/// In another process, a shard would count on what it knows of the view.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_events_of_several_ids_change_fails() {
    let builder = Dispatcher::builder()
        .module(meters::module())
        .module(totals::module());
    let app = builder.store(Memory::new()).build().await.expect("builds");
    for _ in 0..3 {
        read(&app, 1).await;
    }
    let receipt = read(&app, 2).await;
    let is_failing = || {
        let state = health(&app, "totals").state;
        matches!(state, SubscriptionState::Failing { error, .. }
            if error.contains("`meter:1` and of `meter:2`"))
    };
    until(is_failing, &app).await;
    assert!(health(&app, "totals").position < receipt.last());
}

#[tokio::test]
async fn an_event_without_the_id_or_with_several_is_reported() {
    let builder = Dispatcher::builder().module(astray::module());
    let error = builder.store(Memory::new()).build().await;
    let report = error.err().expect("it does not build").to_string();
    for line in [
        "the wiring has 2 problems",
        "projection `swaps` is partitioned by `meter`, but its event `meters-swapped` may have several \
         ids of it, and belongs to one shard",
        "= write another `partition`, or none",
        "event handler `closed` is partitioned by `meter`, but its event `street-closed` has no id of it",
        "= write `#[id(\"meter\")]` on a field of the event, or another `partition`",
    ] {
        assert!(report.contains(line), "{line}\n\n{report}");
    }
}
