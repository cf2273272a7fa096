//! Processes that work for partitioned projections and reactions while they are killed, stopped for longer
//! than their lease and continued, and started late, and while the shards are divided anew. In the end, read
//! models are those of a replay, each event was reacted to once, and each visit has come to its end.

#[path = "../chaos/domain.rs"]
mod domain;
mod process;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    Division, EventLog, EventQuery, Events, ReadRange, Recorded, Store, ViewStore,
};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use domain::visits::{Kind, Visit};
use domain::{AllMeters, Meter};
use fastrand::Rng;
use process::Process;

use crate::support::postgres::Schema;

/// Time that the work of no test needs, however long its backlog is.
const LONG: Duration = Duration::from_secs(120);

/// For longer than the lease of 300 ms.
const STOP: Duration = Duration::from_millis(450);

/// What happens to one of the processes in a round.
#[derive(Clone, Copy)]
enum Fault {
    Kill,
    Stop,
}

/// Lets processes work on a database, of which one is hit in each round.
async fn inject_faults(
    views: &dyn ViewStore,
    start: impl Fn() -> Process,
    (processes, rounds): (usize, usize),
    faults: &[Fault],
) {
    let mut random = Rng::new();
    let mut all: Vec<Process> = (0..processes).map(|_| start()).collect();
    for process in &mut all {
        process.listen(1);
    }
    for _ in 0..rounds {
        let victim = random.usize(..all.len());
        match faults[random.usize(..faults.len())] {
            Fault::Kill => {
                all.remove(victim).kill();
                divide(views, &mut random).await;
                // Sometimes the others have to take over first.
                if random.bool() {
                    all[0].listen(10);
                }
                all.push(start());
                let last = all.len() - 1;
                all[last].listen(1);
            }
            Fault::Stop => {
                all[victim].stop();
                // Which may have to wait for a lock that the victim holds.
                let dividing = divide(views, &mut random);
                let stopped = async {
                    tokio::time::sleep(STOP).await;
                    all[victim].go_on();
                };
                tokio::join!(dividing, stopped);
                all[victim].listen(3);
            }
        }
    }
    all.into_iter().for_each(Process::kill);
}

/// Divides the projection and the reaction, sometimes.
async fn divide(views: &dyn ViewStore, random: &mut Rng) {
    let shards = views.view_capabilities().shards.expect("it has shards");
    let subscriptions = [
        ("projection:meters:1", "meter"),
        ("reaction:billing", "meter"),
        ("process:visits", "visit"),
    ];
    for (subscription, partition) in subscriptions {
        if random.u8(..3) == 0 {
            let division = Division::even(subscription, partition, random.u16(1..7));
            let division = division.expect("few shards");
            let divided = shards.divide(division).await.expect("it is decided");
            assert!(divided, "`{subscription}` has stopped");
        }
    }
}

/// Lets a last process finish the work, and compares it with the log. Returns the numbers of readings
/// and visits.
async fn audit(store: impl Store) -> Result<(u32, usize), String> {
    let store = Arc::new(store);
    let builder = Dispatcher::builder().module(domain::module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    app.wait_until_idle(LONG).await.expect("comes to rest");
    let (views, total) = app.query(AllMeters).await.expect("answers");
    let mut replayed: BTreeMap<u32, Meter> = BTreeMap::new();
    // The commands of the reaction by the event that caused them.
    let mut bills: HashMap<_, u32> = HashMap::new();
    let mut readings = HashMap::new();
    let mut visits: BTreeMap<String, Vec<Arc<Recorded>>> = BTreeMap::new();
    for event in log(&*store).await {
        let tag = event.data.tags.iter().next().expect("a tag");
        if tag.name() == "visit" {
            let events = visits.entry(tag.id().to_owned()).or_default();
            events.push(event);
            continue;
        }
        let meter = tag.id();
        let meter: u32 = meter.parse().expect("a number");
        let is_bill = event.data.event_type.as_str() == "billed";
        if is_bill {
            *bills.entry(event.meta.causation).or_default() += 1;
        } else {
            readings.insert(event.meta.id.as_uuid(), meter);
        }
        let view = replayed.entry(meter).or_insert_with(|| Meter {
            id: meter,
            ..Meter::default()
        });
        view.change(event.position, is_bill);
    }
    for reading in readings.keys() {
        match bills.remove(reading) {
            Some(1) => {}
            bills => return Err(format!("{bills:?} bills for the reading {reading}")),
        }
    }
    if !bills.is_empty() {
        return Err(format!("bills without a reading: {bills:?}"));
    }
    for view in &views {
        let replayed = replayed.remove(&view.id);
        if replayed.as_ref() != Some(view) {
            return Err(format!("{view:?}, but a replay says {replayed:?}"));
        }
    }
    if !replayed.is_empty() {
        return Err(format!("views are missing: {replayed:?}"));
    }
    let expected = u32::try_from(readings.len()).expect("not so many");
    if total != expected {
        return Err(format!("{total} readings in all, but there are {expected}"));
    }
    for (visit, events) in &visits {
        audit_visit(&app, visit.parse().expect("a number"), events).await?;
    }
    app.shutdown(LONG).await.expect("shuts down");
    Ok((total, visits.len()))
}

/// Compares an instance with its events, each of which has to be there once, in an order that its kind allows.
async fn audit_visit(app: &Dispatcher, visit: u64, events: &[Arc<Recorded>]) -> Result<(), String> {
    let names = events.iter().map(|event| {
        let name = event.data.event_type.as_str();
        match name.strip_prefix("visit-") {
            Some(step) => step.to_owned(),
            None => "refused".to_owned(),
        }
    });
    let names: Vec<String> = names.collect();
    let orders: &[&[&str]] = match Kind::of(visit) {
        Kind::Confirmed | Kind::Canceled => &[&["planned", "confirmed"]],
        Kind::Refused => &[&["planned", "refused", "escalated"]],
        Kind::Overdue => &[
            &["planned", "confirmed", "overdue", "escalated"],
            &["planned", "overdue", "confirmed", "escalated"],
        ],
    };
    if !orders.contains(&&*names.iter().map(String::as_str).collect::<Vec<_>>()) {
        return Err(format!("visit {visit} has come to {names:?}"));
    }
    let found = app.process::<Visit>(&visit).await.expect("is read");
    let Some(instance) = found else {
        return Err(format!("visit {visit} has no instance"));
    };
    let is_over =
        instance.ended.is_some() && instance.commands.is_empty() && instance.deadlines.is_empty();
    if !is_over || !names.starts_with(&instance.state.steps) {
        let steps = &instance.state.steps;
        return Err(format!(
            "visit {visit}: {steps:?} of {names:?}, over: {is_over}"
        ));
    }
    Ok(())
}

async fn log(store: &dyn EventLog) -> Vec<Arc<Recorded>> {
    let mut events = Events::read(store, EventQuery::All, ReadRange::after(Position::START));
    let mut all = Vec::new();
    while let Some(event) = events.next().await.expect("the log can be read") {
        all.push(event);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_on_postgres_survive_100_rounds() {
    const TEST: &str = "three_processes_on_postgres_survive_100_rounds";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    let start = || Process::start(&[schema.url(), schema.name()]);
    inject_faults(&store, start, (3, 100), &[Fault::Kill, Fault::Stop]).await;
    let (readings, visits) = audit(store).await.expect("everything was handled once");
    println!("{readings} readings, {visits} visits");
    assert!(
        readings > 500 && visits > 500,
        "{readings} readings, {visits} visits"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_sqlite_survive_100_rounds() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let path = path.to_str().expect("a path in UTF-8");
    let store = Sqlite::open(path).await.expect("SQLite opens");
    let start = || Process::start(&[path, "-"]);
    inject_faults(&store, start, (2, 100), &[Fault::Kill, Fault::Stop]).await;
    let (readings, visits) = audit(store).await.expect("everything was handled once");
    println!("{readings} readings, {visits} visits");
    assert!(
        readings > 500 && visits > 500,
        "{readings} readings, {visits} visits"
    );
}

/// A process that was taken for dead goes on with views that it had in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_fence_is_noticed() {
    const TEST: &str = "a_broken_fence_is_noticed";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    let start = || Process::start(&[schema.url(), schema.name(), "unfenced"]);
    for round in 1..=20 {
        inject_faults(&store, start, (3, 5), &[Fault::Stop]).await;
        if let Err(difference) = audit(schema.open().await).await {
            println!("noticed after {round} times 5 rounds: {difference}");
            return;
        }
    }
    panic!("100 rounds without a fence, and nobody noticed");
}
