//! Processes that work for partitioned projections and reactions while they are killed, stopped for longer
//! than their lease and continued, and started late, and while the shards are divided anew. In the end, read
//! models are those of a replay, each event was reacted to once, and each visit and parcel has come to its end.

mod audit;
#[path = "../chaos/domain.rs"]
mod domain;
mod process;

use std::time::Duration;

use audit::audit;
use cqrs_conformance::StoreFixture as _;
use cqrs_core::store::{Division, ViewStore};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use fastrand::Rng;
use process::Process;

use crate::support::postgres::Schema;

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
        ("process:parcels", "parcel"),
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

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_on_postgres_survive_100_rounds() {
    const TEST: &str = "three_processes_on_postgres_survive_100_rounds";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    let start = || Process::start(&[schema.url(), schema.name()]);
    inject_faults(&store, start, (3, 100), &[Fault::Kill, Fault::Stop]).await;
    let counts = audit(store).await.expect("everything was handled once");
    println!("{counts:?}");
    assert!(counts.are_over(500), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_sqlite_survive_100_rounds() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let path = path.to_str().expect("a path in UTF-8");
    let store = Sqlite::open(path).await.expect("SQLite opens");
    let start = || Process::start(&[path, "-"]);
    inject_faults(&store, start, (2, 100), &[Fault::Kill, Fault::Stop]).await;
    let counts = audit(store).await.expect("everything was handled once");
    println!("{counts:?}");
    assert!(counts.are_over(500), "{counts:?}");
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
