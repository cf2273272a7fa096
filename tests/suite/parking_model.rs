//! Random coins, some of which cannot be handled for a while, and everything that an operator does about
//! them, on two processes: in the end, the read model is that of a clean fold, and no answer has lied on the way.

mod domain;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::app::{Builder, SubscriptionState};
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::{Memory, Position};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::outage::until;
use crate::support::postgres::Schema;
use domain::{FindJar, Place, PutCoins, false_coins};

/// Few, so that coins meet.
const JARS: u32 = 4;

const PROJECTION: &str = "modeled-jars";
const REACTION: &str = "modeled-weighing";

/// Time that no step needs.
const LONG: Duration = Duration::from_secs(60);

/// Time that everything at hand is handled in, unless a shard waits for its next owner.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time in which something may or may not happen between two steps.
const SHORT: Duration = Duration::from_millis(20);

/// Numbers the cases, so that each has jars of its own.
static CASES: AtomicU32 = AtomicU32::new(0);

#[derive(Clone, Debug)]
enum Step {
    /// Coins into these jars in one command, one of which is then asked for. Whether by bookmark.
    Put(Vec<u32>, Index, bool),
    /// The next coin of the jar fails, or one of the last ones.
    Falsify(u32, Option<u32>),
    Cure(Index),
    CureAll,
    Release(&'static str, Index),
    ReleaseAll(&'static str),
    Skip(Index),
    Retry(&'static str),
    Divide(&'static str, u16),
    Pause,
    Resume,
    Rewind(Index),
    /// A process is replaced. Whether it is shut down.
    Replace(Index, bool),
    /// Until nothing is left to do at present.
    Wait,
}

fn subscription() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(PROJECTION), Just(REACTION)]
}

fn step() -> impl Strategy<Value = Step> {
    let jars = prop_oneof![
        3 => prop::collection::vec(0..JARS, 1..=1),
        3 => prop::collection::vec(0..JARS, 2..6),
        1 => prop::collection::vec(0..JARS, 20..40),
    ];
    prop_oneof![
        8 => (jars, any::<Index>(), any::<bool>()).prop_map(|(jars, one, by_bookmark)| {
            Step::Put(jars, one, by_bookmark)
        }),
        5 => (0..JARS, prop::option::of(0..4u32)).prop_map(|(jar, back)| Step::Falsify(jar, back)),
        1 => any::<Index>().prop_map(Step::Cure),
        1 => Just(Step::CureAll),
        2 => (subscription(), any::<Index>()).prop_map(|(name, one)| Step::Release(name, one)),
        4 => subscription().prop_map(Step::ReleaseAll),
        1 => any::<Index>().prop_map(Step::Skip),
        2 => subscription().prop_map(Step::Retry),
        2 => (subscription(), 1..6u16).prop_map(|(name, shards)| Step::Divide(name, shards)),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => any::<Index>().prop_map(Step::Rewind),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(one, is_shut_down)| {
            Step::Replace(one, is_shut_down)
        }),
        10 => Just(Step::Wait),
    ]
}

/// A process, and whether it was shut down.
#[derive(Clone)]
struct Process {
    app: Dispatcher,
    is_over: Arc<AtomicBool>,
}

impl Process {
    async fn start(builder: Builder) -> Self {
        let builder = builder
            .module(domain::module())
            .retry_for(Duration::from_millis(1))
            .lease(Duration::from_millis(1500))
            .max_wait(LONG);
        Self {
            app: builder.build().await.expect("builds"),
            is_over: Arc::default(),
        }
    }
}

/// What has been done in a case.
#[derive(Default)]
struct Case {
    /// The number of its first jar.
    base: u32,
    /// Number of coins of each jar.
    coins: BTreeMap<u32, u32>,
    positions: BTreeMap<Position, Place>,
    /// The jars of which a coin has failed, or might have.
    doubtful: BTreeSet<u32>,
    skipped: Arc<Mutex<BTreeSet<Place>>>,
    was_paused: bool,
}

impl Case {
    fn add(&mut self, jars: &[u32]) -> Vec<Place> {
        let add = |jar: &u32| {
            let jar = self.base + jar;
            let coins = self.coins.entry(jar).or_default();
            *coins += 1;
            (jar, *coins)
        };
        jars.iter().map(add).collect()
    }

    fn falsify(&mut self, jar: u32, back: Option<u32>) {
        let jar = self.base + jar;
        let last = self.coins.get(&jar).copied().unwrap_or_default();
        let coin = back.map_or(last + 1, |back| last.saturating_sub(back).max(1));
        self.doubtful.insert(jar);
        false_coins().insert((jar, coin));
    }

    fn cure(&self, one: Option<Index>) {
        let jars = self.base..self.base + JARS;
        let mut all = false_coins();
        let own: Vec<Place> = all
            .iter()
            .filter(|it| jars.contains(&it.0))
            .copied()
            .collect();
        match one {
            Some(one) if !own.is_empty() => all.retain(|it| it != one.get(&own)),
            Some(_) => {}
            None => all.retain(|it| !jars.contains(&it.0)),
        }
    }

    fn skipped(&self) -> BTreeSet<Place> {
        let skipped = self.skipped.lock();
        skipped.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Asks for a jar once it has a coin, and checks the answer.
async fn ask(process: Process, call_after: CallAfter, (jar, coin): Place) -> Asked {
    let query = process.app.query(FindJar { jar });
    let answer = match call_after {
        CallAfter::Receipt(receipt) => query.after(&receipt).await,
        CallAfter::Bookmark(receipt) => query.after(receipt.bookmark()).await,
    };
    match answer {
        Ok(found) if found.coins.contains(&coin) => Asked::HasCoin,
        Ok(_) => Asked::HasNot,
        Err(_) if process.is_over.load(Ordering::SeqCst) => Asked::ShutDown,
        Err(error) => match error.kind() {
            QueryErrorKind::Parked(parked) => Asked::Parked(parked.key.clone()),
            QueryErrorKind::NotCaughtUp(_) => Asked::NotCaughtUp(error.to_string()),
            _ => Asked::Failed(error.to_string()),
        },
    }
}

enum CallAfter {
    Receipt(Receipt),
    Bookmark(Receipt),
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    HasCoin,
    HasNot,
    /// The id whose events wait.
    Parked(String),
    NotCaughtUp(String),
    ShutDown,
    Failed(String),
}

async fn run<F: Future<Output = Builder>>(builder: impl Fn() -> F, steps: Vec<Step>) {
    let mut case = Case {
        base: CASES.fetch_add(1, Ordering::SeqCst) * JARS,
        ..Case::default()
    };
    let mut processes = vec![
        Process::start(builder().await).await,
        Process::start(builder().await).await,
    ];
    let mut asked = JoinSet::new();
    for (number, step) in steps.into_iter().enumerate() {
        let process = processes[number % 2].clone();
        let subscriptions = process.app.subscriptions();
        match step {
            Step::Put(jars, one, by_bookmark) => {
                let coins = case.add(&jars);
                let put = PutCoins {
                    coins: coins.clone(),
                };
                let receipt = process.app.execute(put).await.expect("is put");
                let positions = (receipt.first().get()..).map(Position::new);
                case.positions.extend(positions.zip(coins.iter().copied()));
                let reader = processes[usize::from(by_bookmark)].clone();
                let (coin, call_after) = if by_bookmark {
                    (*one.get(&coins), CallAfter::Bookmark(receipt))
                } else {
                    (*one.get(&coins), CallAfter::Receipt(receipt))
                };
                asked.spawn(async move { (coin, ask(reader, call_after, coin).await) });
            }
            Step::Falsify(jar, back) => case.falsify(jar, back),
            Step::Cure(one) => case.cure(Some(one)),
            Step::CureAll => case.cure(None),
            Step::Release(name, one) => {
                let parked = subscriptions.parked(name).await.expect("is read");
                if !parked.is_empty() {
                    // It may have been released since.
                    let _ = subscriptions.release(name, &one.get(&parked).key).await;
                }
            }
            Step::ReleaseAll(name) => {
                subscriptions.release_all(name).await.expect("is released");
            }
            Step::Skip(one) => skip(&process.app, &case, one).await,
            Step::Retry(name) => {
                // There may be nothing to retry.
                let _ = subscriptions.retry(name).await;
            }
            Step::Divide(name, shards) => {
                // Another division may not be complete.
                let _ = subscriptions.divide(name, shards).await;
            }
            Step::Pause => {
                case.was_paused = true;
                // It may be paused already.
                let _ = subscriptions.pause(PROJECTION, "the model says so").await;
            }
            Step::Resume => {
                let _ = subscriptions.resume(PROJECTION).await;
            }
            Step::Rewind(one) => {
                let positions: Vec<Position> = case.positions.keys().copied().collect();
                if !positions.is_empty() {
                    // One that is ahead of the checkpoint is refused.
                    let _ = subscriptions.rewind(REACTION, *one.get(&positions)).await;
                }
            }
            Step::Replace(one, is_shut_down) => {
                let old = processes.remove(one.index(2));
                if is_shut_down {
                    old.is_over.store(true, Ordering::SeqCst);
                    // What is left to do is done by the others.
                    let _ = old.app.shutdown(SHORT).await;
                }
                drop(old);
                processes.push(Process::start(builder().await).await);
            }
            Step::Wait => settled(&process.app).await,
        }
    }
    finish(&processes, &case).await;
    while let Some(answer) = asked.join_next().await {
        let (coin, answer) = answer.expect("it is asked");
        let may_be = match &answer {
            Asked::HasCoin | Asked::ShutDown => true,
            Asked::HasNot => case.skipped().contains(&coin),
            Asked::Parked(jar) => case.doubtful.iter().any(|it| it.to_string() == *jar),
            Asked::NotCaughtUp(_) => case.was_paused,
            Asked::Failed(_) => false,
        };
        assert!(may_be, "{coin:?}: {answer:?}");
    }
    for process in processes {
        process.app.shutdown(LONG).await.expect("shuts down");
    }
}

/// Skips the first event of a parked jar.
async fn skip(app: &Dispatcher, case: &Case, one: Index) {
    let subscriptions = app.subscriptions();
    let parked = subscriptions.parked(PROJECTION).await.expect("is read");
    let Some(first) = (!parked.is_empty()).then(|| one.get(&parked).first) else {
        return;
    };
    let Some(coin) = case.positions.get(&first).copied() else {
        return;
    };
    let skipped = || case.skipped.lock().unwrap_or_else(PoisonError::into_inner);
    // Before, since a query may see at once that it is missing.
    let is_new = skipped().insert(coin);
    let skip = subscriptions.skip(PROJECTION, first, "the model says so");
    if skip.await.is_err() && is_new {
        skipped().remove(&coin);
    }
}

/// Waits until each subscription has handled everything that it can at present, or it takes too long.
async fn settled(app: &Dispatcher) {
    let subscriptions = app.subscriptions();
    let is_settled = async || {
        let all = subscriptions.list().await.expect("is read");
        let mut is_settled = true;
        for status in all {
            let is_paused = matches!(status.health.state, SubscriptionState::Paused { .. });
            let parked = subscriptions.parked(status.health.name).await;
            let mut parked = parked.expect("is read").into_iter();
            let is_done = status.behind == 0 && !parked.any(|it| it.is_released);
            is_settled &= is_paused || is_done;
        }
        is_settled
    };
    let wait = async {
        while !is_settled().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = timeout(PATIENCE, wait).await;
}

/// Cures, resumes and releases everything, and compares with a clean fold.
async fn finish(processes: &[Process], case: &Case) {
    case.cure(None);
    let app = &processes[0].app;
    let subscriptions = app.subscriptions();
    let _ = subscriptions.resume(PROJECTION).await;
    until(async || {
        for name in [PROJECTION, REACTION] {
            subscriptions.release_all(name).await.expect("is released");
            let _ = subscriptions.retry(name).await;
        }
        let idle = app.wait_until_idle(Duration::from_secs(5)).await;
        let mut is_ok = idle.is_ok();
        for name in [PROJECTION, REACTION] {
            is_ok &= subscriptions
                .parked(name)
                .await
                .expect("is read")
                .is_empty();
        }
        for process in processes {
            is_ok &= process.app.health().is_ok();
        }
        is_ok
    })
    .await;
    let head = app.wait_until_idle(LONG).await.expect("is idle");
    for (&jar, &last) in &case.coins {
        let found = app.query(FindJar { jar }).after_position(head).await;
        let found = found.expect("it answers");
        let is_counted = |coin: &u32| !case.skipped().contains(&(jar, *coin));
        let counted: Vec<u32> = (1..=last).filter(is_counted).collect();
        assert_eq!(found.coins, counted, "of jar {jar}");
        let all: Vec<u32> = (1..=last).collect();
        assert_eq!(
            found.weighed, all,
            "each is weighed once, in order, of jar {jar}"
        );
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        // A case depends on time, so that a smaller one may pass.
        max_shrink_iters: 0,
        ..Default::default()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 20..35)
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

#[test]
fn memory_agrees_with_a_clean_fold() {
    let runtime = runtime();
    proptest!(config(6), |(steps in steps())| {
        let store = Memory::new();
        let builder = || async { Dispatcher::builder().store(store.clone()) };
        runtime.block_on(run(builder, steps));
    });
}

#[test]
fn sqlite_agrees_with_a_clean_fold() {
    let runtime = runtime();
    proptest!(config(6), |(steps in steps())| {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("log.db");
        let builder = || async {
            Dispatcher::builder().store(Sqlite::open(&path).await.expect("SQLite opens"))
        };
        runtime.block_on(run(builder, steps));
    });
}

#[test]
fn postgres_agrees_with_a_clean_fold() {
    let runtime = runtime();
    proptest!(config(6), |(steps in steps())| {
        let Some(schema) = Schema::fresh("postgres_agrees_with_a_clean_fold", Postgres::options())
        else {
            return Ok(());
        };
        let builder = || async { Dispatcher::builder().store(schema.open().await) };
        runtime.block_on(run(builder, steps));
    });
}
