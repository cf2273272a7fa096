//! A version of a long log is built while events are recorded and queries are asked, by a process that is killed
//! on the way.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cqrs_conformance::StoreFixture;
use cqrs_core::app::Role;
use cqrs_core::store::{
    Append, EventData, EventLog, EventLogExt, EventType, ShardStore, Store, Tag, Tags,
};
use cqrs_core::{CommandId, Dispatcher, Memory, Position};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use super::programs::points::Score;
use super::programs::{NAME, first, points, second};
use crate::support::postgres::Schema;

/// Number of events, unless the environment has another one.
const EVENTS: u64 = 60_000;

/// The environment variable for another number of events.
const EVENTS_VARIABLE: &str = "CQRS_REBUILD_EVENTS";

/// Number of players.
pub(super) const PLAYERS: u64 = 2_000;

/// Number of events of a command that fills the log.
const BATCH: u64 = 1_000;

/// Number of shards that two processes build.
const SHARDS: u16 = 4;

pub(super) const LIMIT: Duration = Duration::from_secs(600);

pub(super) fn events() -> u64 {
    let given = std::env::var(EVENTS_VARIABLE).ok();
    given.map_or(EVENTS, |count| count.parse().expect("a number"))
}

/// Records events without a handler, many at once.
pub(super) async fn fill(log: &impl EventLog, count: u64) {
    for batch in 0..count / BATCH {
        let events = (0..BATCH).map(|number| {
            let player = (batch * BATCH + number) % PLAYERS;
            EventData {
                event_type: EventType::new("scored"),
                version: 1,
                tags: Tags::from(Tag::from(format!("player:{player}").as_str())),
                payload: format!(r#"{{"player":{player},"points":1}}"#).into_bytes(),
            }
        });
        let append = Append::new(CommandId::new(), events.collect());
        log.append(append).await.expect("is recorded");
    }
}

/// The position of the version that is built.
async fn position(store: &(impl Store + ShardStore)) -> Position {
    let shards = ShardStore::shards(store, format!("projection:{NAME}:2")).await;
    let positions = shards.expect("shards").into_iter();
    positions
        .map(|state| state.position())
        .min()
        .unwrap_or_default()
}

pub(super) fn start(arguments: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rebuild-process"));
    let child = command.args(arguments).stdout(Stdio::piped()).spawn();
    child.expect("the process starts")
}

/// Builds the version by processes of which two are killed on the way.
async fn build_with_kills(store: &(impl Store + ShardStore), arguments: &[String], count: u64) {
    for share in [5, 2] {
        let mut child = start(arguments);
        let begun = position(store).await;
        let until = (count / share).max(begun.get() + 1);
        while position(store).await.get() < until {
            let ended = child.try_wait().expect("its state");
            assert!(ended.is_none(), "it was killed too late");
            // No process tells another one that it has come so far.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
        let at = position(store).await;
        assert!(at.get() < count, "it was killed too late, at {at}");
    }
    let mut child = start(arguments);
    let output = child.stdout.take().expect("a pipe");
    let lines = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(output).lines();
        lines.map_while(Result::ok).collect::<Vec<_>>()
    });
    let told = lines.await.expect("is read");
    assert!(child.wait().expect("it ends").success(), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("live"), "{told:?}");
}

/// Compares the views of the version with those of a first fold of all events.
pub(super) async fn is_as_if_new<S: Store + Clone>(web: &Dispatcher, store: &S, head: Position) {
    let one = second::PointsOf { player: 0 };
    let builder = || {
        let builder = Dispatcher::builder().module(points::module());
        builder.module(second::module())
    };
    let built = builder().store(store.clone()).build().await;
    let again = built.expect("builds");
    for app in [web, &again] {
        let settled = app.query(one.clone()).after_position(head);
        settled.max_wait(LIMIT).await.expect("answers");
    }
    let replaying = builder().log(store.clone()).views(Memory::new());
    let fresh = replaying.build().await.expect("builds");
    let caught_up = fresh.wait_until_caught_up(head, LIMIT).await;
    caught_up.expect("catches up");
    let all = second::AllPoints {};
    let replayed = fresh.query(all.clone()).await.expect("answers");
    assert_eq!(replayed.len() as u64, PLAYERS);
    assert_eq!(again.query(all).await.expect("answers"), replayed);
}

async fn is_built_while_it_is_used<S: Store + ShardStore + Clone>(store: S, arguments: &[String]) {
    let count = events();
    fill(&store, count).await;
    let builder = || {
        Dispatcher::builder()
            .module(points::module())
            .store(store.clone())
    };
    let old = builder().module(first::module()).build().await;
    let old = old.expect("builds");
    let head = store.head().await.expect("a head");
    old.wait_until_caught_up(head, LIMIT)
        .await
        .expect("catches up");
    // It answers queries, and builds nothing.
    let web = builder().module(second::module());
    let web = web.roles([Role::Queries]).build().await.expect("builds");
    assert_eq!(
        web.query(second::PointsOf { player: 1 })
            .await
            .expect("answers"),
        count / PLAYERS
    );

    let is_over = AtomicBool::new(false);
    let answers = AtomicU64::new(0);
    let started = Instant::now();
    let building = async {
        build_with_kills(&store, arguments, count).await;
        is_over.store(true, Ordering::SeqCst);
    };
    let writing = async {
        while !is_over.load(Ordering::SeqCst) {
            let receipt = old
                .execute(Score {
                    player: 0,
                    points: 1,
                })
                .await;
            let receipt = receipt.expect("is carried out");
            let answer = old.query(first::PointsOf { player: 0 }).after(&receipt);
            answer.await.expect("the old version answers");
        }
    };
    let asking = async {
        let mut last = 0;
        while !is_over.load(Ordering::SeqCst) {
            let answer = web.query(second::PointsOf { player: 0 }).await;
            let answer = answer.expect("some version answers");
            // The points count tenfold in the second version.
            assert!(answer >= last, "{answer} after {last}");
            last = answer;
            answers.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(building, writing, asking);
    let took = started.elapsed();

    let head = store.head().await.expect("a head");
    is_as_if_new(&web, &store, head).await;
    println!(
        "{count} events and {} meanwhile, {} queries, {took:?} with two kills",
        head.get() - count,
        answers.load(Ordering::SeqCst)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_folded_again_on_sqlite_while_it_is_used() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let store = Sqlite::open(&path).await.expect("SQLite opens");
    let arguments = [path.to_str().expect("a path in UTF-8").to_owned()];
    is_built_while_it_is_used(store, &arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_folded_again_on_postgres_while_it_is_used() {
    let Some(schema) = Schema::fresh("rebuild", Postgres::options()) else {
        return;
    };
    let arguments = [schema.url().to_owned(), schema.name().to_owned()];
    is_built_while_it_is_used(schema.open().await, &arguments).await;
}

/// Divides the version into shards, has two processes build them, and kills one of them on the way.
async fn is_built_together<S: Store + ShardStore + Clone>(store: S, arguments: &[String]) {
    let count = events();
    fill(&store, count).await;
    let builder = || {
        let builder = Dispatcher::builder().module(points::module());
        builder.store(store.clone())
    };
    let old = builder().module(first::module()).build().await;
    old.expect("builds").shutdown(LIMIT).await.expect("ends");
    // It builds nothing.
    let web = builder().module(second::module());
    let web = web.roles([Role::Queries]).build().await.expect("builds");
    let subscriptions = web.subscriptions();
    let divided = subscriptions.divide(NAME, SHARDS).await;
    divided.expect("it has a partition");
    let paused = subscriptions.pause(NAME, "until both attend").await;
    paused.expect("it is paused");
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let mut job = start(arguments);
        let output = job.stdout.take().expect("a pipe");
        let (is_waiting, lines) = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            // It may have told before that nothing is folded.
            (lines.any(|line| line == "paused"), lines)
        })
        .await
        .expect("is read");
        assert!(is_waiting, "it has ended");
        jobs.push((job, lines));
    }
    let resumed = subscriptions.resume(NAME).await;
    resumed.expect("it was paused");
    let owners = loop {
        let shards = ShardStore::shards(&store, format!("projection:{NAME}:2")).await;
        let shards = shards.expect("shards");
        let owners: Option<Vec<_>> = shards.iter().map(|state| state.owner).collect();
        match owners {
            Some(owners) => break owners,
            // No process tells another one which shards it has.
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    assert_eq!(owners.len(), usize::from(SHARDS));
    let of_one = owners.iter().filter(|owner| **owner == owners[0]).count();
    assert_eq!(of_one, owners.len() / 2, "each has its share: {owners:?}");
    assert!(position(&store).await.get() < count, "nothing was left");

    let (mut killed, _) = jobs.pop().expect("two were started");
    killed.kill().expect("it is killed");
    killed.wait().expect("it ends");
    let (mut left, lines) = jobs.pop().expect("two were started");
    let told = tokio::task::spawn_blocking(move || lines.collect::<Vec<_>>()).await;
    let told = told.expect("is read");
    assert!(left.wait().expect("it ends").success(), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("live"), "{told:?}");
    let head = store.head().await.expect("a head");
    is_as_if_new(&web, &store, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_divided_version_is_built_by_two_processes_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let store = Sqlite::open(&path).await.expect("SQLite opens");
    let arguments = [path.to_str().expect("a path in UTF-8").to_owned()];
    is_built_together(store, &arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_divided_version_is_built_by_two_processes_on_postgres() {
    let Some(schema) = Schema::fresh("rebuild_together", Postgres::options()) else {
        return;
    };
    let arguments = [schema.url().to_owned(), schema.name().to_owned()];
    is_built_together(schema.open().await, &arguments).await;
}
