//! Processes that are in conflict about the same events take turns: each of them makes progress, and none
//! waits for long for one that is gone.

use std::iter::repeat_with;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cqrs_conformance::StoreFixture as _;
use cqrs_core::Dispatcher;
use cqrs_core::store::{Append, AppendError, AppendToken, Boundary, EventLog, Position, ReadRange};
use cqrs_postgres::Postgres;
use futures_util::future::{Either, join_all, select};
use tokio::join;
use tokio_postgres::Client;

use super::{Processes, noted, positions, tagged};
use crate::failover::{self, LeaveSeat, Seat};
use crate::outage::until;
use crate::support::postgres::Schema;

/// Time for which the lease of a process that is gone lasts in most of these tests.
const LEASE: Duration = Duration::from_millis(300);

/// A conditional command that has lost so often that it queues.
fn losing(tag: &str) -> Append {
    noted(tag)
        .unless(tagged(tag), Position::START)
        .after_conflicts(2)
}

impl Processes {
    /// Adds a place of a process that is gone to the queue for a tag, with an SQL expression for the end of
    /// its lease.
    async fn lease(&self, tag: &str, until: &str) {
        let insert = format!(
            "INSERT INTO {}.tag_leases (tag, process, since, lease_time, until) \
             VALUES ('{tag}', gen_random_uuid(), now() - interval '1 minute', '100 ms', {until})",
            self.schema.name()
        );
        self.client.batch_execute(&insert).await.expect("inserts");
    }

    async fn lease_for(&self, tag: &str, time: Duration) {
        let until = format!("clock_timestamp() + interval '{} ms'", time.as_millis());
        self.lease(tag, &until).await;
    }

    /// Waits until the queue for a tag has this many places.
    async fn until_queued(&self, tag: &str, places: i64) {
        until(async || places_of(&self.client, &self.schema, tag).await == places).await;
    }
}

async fn places_of(client: &Client, schema: &Schema, tag: &str) -> i64 {
    let select = format!(
        "SELECT count(*) FROM {}.tag_leases WHERE tag = '{tag}'",
        schema.name()
    );
    let row = client.query_one(&select, &[]).await;
    row.expect("it answers").get(0)
}

#[tokio::test]
async fn a_request_waits_for_the_lease_of_a_process_that_is_gone_and_others_pass() {
    const TEST: &str = "a_request_waits_for_the_lease_of_a_process_that_is_gone";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let here = &processes.here;
    let begun = Instant::now();
    processes.lease_for("name:1", LEASE).await;
    let held = pin!(here.append(noted("name:1").unless(tagged("name:1"), Position::START)));
    let passing = async {
        for number in 0..4 {
            let other = noted(&format!("other:{number}"));
            here.append(other).await.expect("it is appended");
        }
    };
    let Either::Right(((), held)) = select(held, pin!(passing)).await else {
        panic!("it is held, and others pass");
    };
    let written = held.await.expect("it is appended");
    assert!(begun.elapsed() >= LEASE, "{:?}", begun.elapsed());
    assert_eq!(positions(here, "name:1").await, [written.first.get()]);
}

/// Otherwise the owner of the lease, who has the head locked most of the time, would have to wait for those that wait
/// for it.
#[tokio::test]
async fn a_request_that_waits_for_a_lease_does_not_wait_for_the_head() {
    const TEST: &str = "a_request_that_waits_for_a_lease_does_not_wait_for_the_head";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let (client, schema) = (&processes.client, processes.schema.name());
    processes.lease_for("name:1", LEASE).await;
    let renew = format!(
        "UPDATE {schema}.tag_leases SET until = clock_timestamp() + interval '900 ms' \
         WHERE until IS NOT NULL"
    );
    let find_looks = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE query LIKE '%{schema}%.tag_leases AS lease ON%' AND query_start > $1"
    );
    let waiting = async {
        until(async || {
            client.batch_execute(&renew).await.expect("it is renewed");
            places_of(client, &processes.schema, "name:1").await == 2
        })
        .await;
        let locking = processes.schema.client().await;
        let lock = format!("BEGIN; SELECT FROM {schema}.head FOR UPDATE");
        locking.batch_execute(&lock).await.expect("it is locked");
        let now = client.query_one("SELECT clock_timestamp()", &[]).await;
        let locked: SystemTime = now.expect("it answers").get(0);
        until(async || {
            client.batch_execute(&renew).await.expect("it is renewed");
            let looks = client.query_one(&find_looks, &[&locked]).await;
            looks.expect("it answers").get::<_, i64>(0) > 0
        })
        .await;
        locking.batch_execute("COMMIT").await.expect("it ends");
    };
    let (written, ()) = join!(processes.here.append(losing("name:1")), waiting);
    written.expect("it is appended");
}

/// A process that waits in line when it is killed gets its lease once, and nobody renews it.
#[tokio::test]
async fn the_place_of_a_process_that_is_gone_costs_the_others_one_lease() {
    const TEST: &str = "the_place_of_a_process_that_is_gone_costs_one_lease";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    processes.lease("name:1", "NULL").await;
    let begun = Instant::now();
    let written = processes.here.append(losing("name:1")).await;
    written.expect("it is appended");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    // Its own place, until it ends or others find it.
    let places = places_of(&processes.client, &processes.schema, "name:1").await;
    assert_eq!(places, 1);
}

#[tokio::test]
async fn a_lease_from_before_the_clock_was_set_back_delays_nobody() {
    const TEST: &str = "a_lease_from_before_the_clock_was_set_back_delays_nobody";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    processes.lease("name:1", "now() + interval '1 hour'").await;
    let written = processes.here.append(losing("name:1")).await;
    written.expect("it is appended");
    processes.until_queued("name:1", 1).await;
}

/// I10: there is evidence, but not before its turn. Otherwise it would use up its attempts while others have
/// theirs.
#[tokio::test]
async fn a_request_that_is_in_conflict_is_refused_in_its_own_turn() {
    const TEST: &str = "a_request_that_is_in_conflict_is_refused_in_its_own_turn";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    let taken = there.append(noted("name:1")).await.expect("it is appended");
    let begun = Instant::now();
    processes.lease_for("name:1", LEASE).await;
    let first = here.append(noted("name:1").unless(tagged("name:1"), Position::START));
    let outcomes = join!(first, here.append(losing("name:1")));
    let (Err(AppendError::Conflict { at }), Err(AppendError::Conflict { at: later })) = outcomes
    else {
        panic!("both are refused: {outcomes:?}");
    };
    assert_eq!((at, later), (taken.first, taken.first));
    assert!(begun.elapsed() >= LEASE, "{:?}", begun.elapsed());
}

/// No event has the tag, which PostgreSQL has no room for in an index.
#[tokio::test]
async fn a_request_that_depends_on_a_long_tag_does_not_queue() {
    const TEST: &str = "a_request_that_depends_on_a_long_tag_does_not_queue";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let long: String = repeat_with(|| fastrand::char('a'..='z'))
        .take(10_000)
        .collect();
    let both = losing("name:1").unless(tagged(&long), Position::START);
    let written = processes.here.append(both).await;
    written.expect("it is appended");
    let places = places_of(&processes.client, &processes.schema, "name:1").await;
    assert_eq!(places, 0);
}

/// I2: it arrives in a batch of its own, and passes no request that it follows.
#[tokio::test]
async fn a_request_that_follows_one_that_waits_is_written_behind_it() {
    const TEST: &str = "a_request_that_follows_one_that_waits_is_written_behind_it";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let here = &processes.here;
    processes.lease_for("name:1", LEASE).await;
    let [first, second] = [AppendToken::new(), AppendToken::new()];
    let behind = |tag: &str, token| {
        let follows = Boundary::new(tagged(tag), Position::START).after_append(token);
        noted("next:1").boundary(follows)
    };
    let outcomes = join!(
        here.append(losing("name:1").token(first)),
        async {
            processes.until_queued("name:1", 2).await;
            here.append(behind("name:1", first).token(second)).await
        },
        async {
            processes.until_queued("name:1", 2).await;
            here.append(noted("other:1")).await.expect("it passes");
            here.append(behind("next:1", second)).await
        },
    );
    let (Ok(first), Ok(second), Ok(third)) = outcomes else {
        panic!("all are written: {outcomes:?}");
    };
    assert!(first.first < second.first && second.first < third.first);
}

/// The queue of the store is closed, and what it has accepted is carried out.
#[tokio::test]
async fn a_request_that_waits_is_carried_out_after_its_store_was_dropped() {
    const TEST: &str = "a_request_that_waits_is_carried_out_after_its_store_was_dropped";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let here = processes.schema.open().await;
    // It learns of the others.
    for _ in 0..2 {
        here.append(noted("other:1")).await.expect("it is appended");
        processes
            .there
            .append(noted("other:1"))
            .await
            .expect("it is appended");
    }
    processes.lease_for("name:1", LEASE).await;
    let call = tokio::spawn(async move { here.append(losing("name:1")).await });
    processes.until_queued("name:1", 2).await;
    call.abort();
    assert!(call.await.expect_err("it was aborted").is_cancelled());
    until(async || !positions(&processes.there, "name:1").await.is_empty()).await;
}

/// Appends an event with these tags this many times, with the boundary of a decision about all of them.
async fn decide(store: &Postgres, tags: &[&str], times: usize) {
    for _ in 0..times {
        let mut conflicts = 0;
        loop {
            let range = ReadRange::after(Position::START);
            let page = store.read(tagged(tags[0]), range).await.expect("it reads");
            let append = noted(tags[0]).after_conflicts(conflicts);
            let append = tags
                .iter()
                .fold(append, |append, tag| append.unless(tagged(tag), page.as_of));
            match store.append(append).await {
                Ok(_) => break,
                Err(AppendError::Conflict { .. }) => conflicts += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(conflicts < 16, "it gives up");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_needs_two_leases_and_those_that_need_one_all_go_on() {
    const TEST: &str = "a_process_that_needs_two_leases_and_those_that_need_one";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let [third, fourth] = [processes.schema.open().await, processes.schema.open().await];
    let Processes { here, there, .. } = &processes;
    join!(
        decide(here, &["a:1", "b:1"], 40),
        decide(there, &["b:1", "a:1"], 40),
        decide(&third, &["a:1"], 40),
        decide(&fourth, &["b:1"], 40),
    );
    let (a, b) = join!(positions(here, "a:1"), positions(here, "b:1"));
    assert_eq!(a.len() + b.len(), 4 * 40);
}

/// Programs of this many processes with the usual number of attempts.
async fn programs(schema: &Schema, count: usize) -> Vec<Dispatcher> {
    let programs = (0..count).map(async |_| {
        let builder = Dispatcher::builder().module(failover::module());
        let app = builder.store(schema.open().await).build().await;
        app.expect("builds")
    });
    join_all(programs).await
}

/// Callers about one aggregate, as long as the condition holds, which counts each command.
async fn leave_while(
    app: &Dispatcher,
    callers: usize,
    done: &AtomicUsize,
    goes_on: impl Fn() -> bool,
) {
    let callers = (0..callers).map(async |_| {
        while goes_on() {
            app.execute(LeaveSeat { seat: 1 }).await.expect("it leaves");
            done.fetch_add(1, Ordering::Relaxed);
        }
    });
    join_all(callers).await;
}

async fn assert_recorded(app: &Dispatcher, count: usize) {
    let events = app.history::<Seat>(&1).all().await.expect("it reads");
    assert_eq!(events.len(), count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_four_processes_has_its_share_of_a_hot_aggregate() {
    const TEST: &str = "each_of_four_processes_has_its_share_of_a_hot_aggregate";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let apps = programs(&schema, 4).await;
    let counts: [AtomicUsize; 4] = Default::default();
    let goes_on = || {
        counts
            .iter()
            .any(|count| count.load(Ordering::Relaxed) < 200)
    };
    let programs = apps.iter().zip(&counts);
    join_all(programs.map(|(app, count)| leave_while(app, 8, count, goes_on))).await;
    let sum = counts
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum();
    // Without turns, one of them carries out thousands of times as many as the others.
    assert!(sum < 16 * 4 * 200, "no fair shares: {counts:?}");
    assert_recorded(&apps[0], sum).await;
}

/// It writes with a statement that compares the head, and would never lose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_writes_without_pause_lets_others_in() {
    const TEST: &str = "a_process_that_writes_without_pause_lets_others_in";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let apps = programs(&schema, 3).await;
    let (first, others) = apps.split_first().expect("three");
    let count = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    // It is alone at first.
    leave_while(first, 8, &count, || count.load(Ordering::Relaxed) < 100).await;
    let busy = leave_while(first, 8, &count, || !is_over.load(Ordering::Relaxed));
    let late = async {
        let calls = others.iter().map(async |app| {
            for _ in 0..100 {
                app.execute(LeaveSeat { seat: 1 }).await.expect("it leaves");
            }
        });
        join_all(calls).await;
        is_over.store(true, Ordering::Relaxed);
    };
    join!(busy, late);
    assert_recorded(first, count.into_inner() + 200).await;
}
