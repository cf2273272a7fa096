//! Many callers about one aggregate, in one process: one decides at a time, one reads the history,
//! and the others wait for it or follow it, however slow a decision is.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use cqrs_core::CommandId;
use cqrs_core::app::Builder;
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, AppendError, BoxFuture, EventData, EventType, Tag};
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::support::race;
use crate::support::stores::on_each_with;
use crate::support::watched::WatchedLog;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Tick {
    #[id(Counter)]
    counter: u32,
    is_slow: bool,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "ticked", version = 1)]
pub struct Ticked {
    #[id(Counter)]
    counter: u32,
    /// What the decision thought it was.
    ticks: u64,
}

#[derive(Default)]
pub struct Counter {
    ticks: u64,
}

#[aggregate(id = u32)]
impl Counter {
    #[apply]
    fn ticked(&mut self, event: &Ticked) {
        self.ticks += 1;
        assert_eq!(event.ticks, self.ticks, "the decision saw the newest state");
    }
}

/// As [`Tick`], of a state that is in the store.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Note {
    #[id(Tally)]
    tally: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "tally-noted", version = 1)]
pub struct Noted {
    #[id(Tally)]
    tally: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Tally {
    notes: u64,
}

#[aggregate(id = u32, storage = "state")]
impl Tally {
    #[apply]
    fn noted(&mut self, _: &Noted) {
        self.notes += 1;
    }
}

/// Stops slow decisions.
pub struct Gate {
    /// Has a permit for each slow decision that has begun.
    begun: Semaphore,
    /// Has a permit for each that may end.
    open: Semaphore,
    decisions: AtomicUsize,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Semaphore::new(0),
            open: Semaphore::new(0),
            decisions: AtomicUsize::new(0),
        })
    }

    fn decisions(&self) -> usize {
        self.decisions.load(Ordering::SeqCst)
    }
}

#[command_handler]
async fn tick(
    cmd: Tick,
    counter: &Counter,
    gate: Service<Gate>,
) -> Result<Ticked, CommandError<Rejected>> {
    gate.decisions.fetch_add(1, Ordering::SeqCst);
    if cmd.is_slow {
        gate.begun.add_permits(1);
        let permit = gate.open.acquire().await;
        permit.map_err(CommandError::failed)?.forget();
    }
    Ok(Ticked {
        counter: cmd.counter,
        ticks: counter.ticks + 1,
    })
}

#[command_handler]
async fn note(cmd: Note, _: &Tally, gate: Service<Gate>) -> Noted {
    gate.decisions.fetch_add(1, Ordering::SeqCst);
    tokio::task::yield_now().await;
    Noted { tally: cmd.tally }
}

/// A dispatcher whose reads are counted and whose slow decisions are held.
struct World {
    app: Dispatcher,
    store: Arc<WatchedLog>,
    gate: Arc<Gate>,
}

type Outcome = Result<Receipt, CommandError<Rejected>>;
type Call<'a> = BoxFuture<'a, Outcome>;

impl World {
    async fn new(app: &Dispatcher, with: impl Fn(Builder) -> Builder) -> Self {
        let store = WatchedLog::watched(app.log().clone());
        let gate = Gate::new();
        let builder = Dispatcher::builder().module(module()).provide(gate.clone());
        let builder = with(builder).log(store.clone());
        let app = builder.build().await.expect("builds");
        Self { app, store, gate }
    }

    /// With so many events of counter 1 in the log.
    async fn with_history(app: &Dispatcher, events: u64) -> Self {
        let world = Self::new(app, |builder| builder).await;
        let ticks: Vec<_> = (1..=events).collect();
        for ticks in ticks.chunks(10_000) {
            let appended = world.app.log().append(history(ticks)).await;
            appended.expect("appends");
        }
        world
    }

    fn tick(&self, counter: u32, is_slow: bool) -> Call<'_> {
        let tick = Tick { counter, is_slow };
        Box::pin(self.app.execute(tick).into_future())
    }

    /// A decision about the counter that has begun, and will not end before the gate opens.
    async fn slow(&self, counter: u32) -> Call<'_> {
        let mut call = self.tick(counter, true);
        let begun = poll_fn(|context| {
            let begun = std::pin::pin!(self.gate.begun.acquire());
            let pending = call.as_mut().poll(context).is_pending();
            assert!(pending, "it is held");
            begun.poll(context)
        });
        begun.await.expect("is open").forget();
        call
    }

    /// So many calls, each of which waits.
    async fn waiting(&self, calls: usize) -> Vec<Call<'_>> {
        let mut calls: Vec<_> = (0..calls).map(|_| self.tick(1, false)).collect();
        assert_all_wait(&mut calls).await;
        calls
    }

    fn open(&self) {
        self.gate.open.add_permits(1);
    }
}

async fn assert_all_wait(calls: &mut [Call<'_>]) {
    for call in calls {
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "answered too early: {polled:?}");
    }
}

/// Runs the test on a dispatcher with each store, of which the test takes the store.
async fn on_each_store<F: Future>(test: impl Fn(Dispatcher) -> F) {
    on_each_with(module(), |builder| builder.provide(Gate::new()), test).await;
}

/// Lets so much time pass.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn history(ticks: &[u64]) -> Append {
    let event = |ticks| EventData {
        event_type: EventType::new("ticked"),
        version: 1,
        tags: [Tag::new("counter", 1)].into_iter().collect(),
        payload: format!(r#"{{"counter":1,"ticks":{ticks}}}"#).into_bytes(),
    };
    Append::new(CommandId::new(), ticks.iter().map(event).collect())
}

const HISTORY: u64 = 20_000;

async fn a_crowd(app: &Dispatcher, callers: usize) {
    let world = World::with_history(app, HISTORY).await;
    let slow = world.slow(1).await;
    let (reads, events) = (world.store.reads(), world.store.events());
    assert_eq!(events as u64, HISTORY);
    let mut waiting = world.waiting(callers).await;
    pass(Duration::from_secs(5)).await;
    assert_all_wait(&mut waiting).await;
    assert_eq!(world.store.reads(), reads, "nobody else reads");
    world.open();
    let (slow, waiting) = tokio::join!(slow, join_all(waiting));
    slow.expect("ticks");
    for outcome in waiting {
        outcome.expect("no conflict");
    }
    assert_eq!(world.store.reads(), reads, "they follow");
    assert_eq!(world.gate.decisions(), callers + 1, "each decided once");
    let counter = world.app.state::<Counter>(&1).await.expect("a state");
    assert_eq!(counter.ticks, HISTORY + callers as u64 + 1);
}

#[tokio::test]
async fn those_who_wait_for_a_slow_decision_neither_read_nor_conflict() {
    on_each_store(|app| async move { a_crowd(&app, 500).await }).await;
}

#[tokio::test]
async fn nor_do_two_thousand() {
    on_each_store(|app| async move { a_crowd(&app, 2_000).await }).await;
}

#[tokio::test]
async fn after_an_overload_one_reads_again_and_the_others_wait() {
    const OVERLOADS: usize = 3;
    on_each_store(|app| async move {
        let world = World::with_history(&app, HISTORY).await;
        let slow = world.slow(1).await;
        let reads = world.store.reads();
        let waiting = world.waiting(500).await;
        world.store.overload(OVERLOADS);
        world.open();
        let (slow, waiting) = tokio::join!(slow, join_all(waiting));
        let refused = waiting.into_iter().chain([slow]).filter_map(Result::err);
        let mut overloads = 0;
        for error in refused {
            let is_overloaded = matches!(
                error,
                CommandError::Failed(Failure::Append(AppendError::Overloaded { .. }))
            );
            assert!(is_overloaded, "{error}");
            overloads += 1;
        }
        assert_eq!(overloads, OVERLOADS);
        let most = reads * (OVERLOADS + 1);
        assert!(world.store.reads() <= most, "{} reads", world.store.reads());
        assert_eq!(world.gate.decisions(), 501, "each decided once");
    })
    .await;
}

#[tokio::test]
async fn who_gives_up_says_which_handler_it_waited_for() {
    on_each_store(|app| async move {
        let wait = Duration::ZERO;
        let world = World::new(&app, |builder| builder.max_decision_wait(wait)).await;
        let slow = world.slow(1).await;
        let error = world.tick(1, false).await.expect_err("gives up");
        assert_eq!(
            error.to_string(),
            "gave up after 0ns: `tick` is still deciding about `counter:1`. Send the command again \
             later, make that handler faster, or raise `max_decision_wait` on the builder"
        );
        let failure = match error {
            CommandError::Failed(failure) => failure,
            other => panic!("{other}"),
        };
        assert!(matches!(failure, Failure::Busy { .. }));
        world.tick(2, false).await.expect("others go on");
        world.open();
        slow.await.expect("ticks");
        world.tick(1, false).await.expect("ticks");
    })
    .await;
}

#[tokio::test]
async fn a_decision_that_never_ends_holds_others_up_until_the_limit() {
    on_each_store(|app| async move {
        let limit = Duration::from_secs(30);
        let world = World::new(&app, |builder| builder).await;
        let slow = world.slow(1).await;
        let mut waiting = world.waiting(10).await;
        pass(limit + Duration::from_millis(1)).await;
        for outcome in join_all(&mut waiting).await {
            let error = outcome.expect_err("gives up");
            let is_busy = matches!(error, CommandError::Failed(Failure::Busy { waited, .. }) if waited == limit);
            assert!(is_busy, "{error}");
        }
        // Its caller goes away.
        drop(slow);
        world.tick(1, false).await.expect("ticks");
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_goes_away_while_it_is_decided_leaves_the_state_behind() {
    on_each_store(|app| async move {
        let world = World::with_history(&app, 1_000).await;
        let slow = world.slow(1).await;
        let reads = world.store.reads();
        drop(slow);
        world.tick(1, false).await.expect("ticks");
        assert_eq!(world.store.reads(), reads, "it is in the cache");
    })
    .await;
}

/// A place that is in use is not given up.
#[tokio::test]
async fn in_a_small_cache_decisions_wait_for_each_other_as_well() {
    on_each_store(|app| async move {
        for states in [0, 1] {
            let world = World::new(&app, |builder| builder.state_cache(states)).await;
            let slow = world.slow(1).await;
            let others = (2..2_000).map(|counter| world.tick(counter, false));
            for outcome in join_all(others).await {
                outcome.expect("ticks");
            }
            let decisions = world.gate.decisions();
            let waiting = world.waiting(10).await;
            world.open();
            slow.await.expect("no conflict");
            for outcome in join_all(waiting).await {
                outcome.expect("no conflict");
            }
            assert_eq!(world.gate.decisions(), decisions + 10, "each decided once");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn decisions_about_a_stored_state_do_not_conflict_either() {
    on_each_store(|app| async move {
        let world = World::new(&app, |builder| builder.attempts(1)).await;
        let outcomes = race(100, |_| {
            let app = world.app.clone();
            async move { app.execute(Note { tally: 1 }).await }
        });
        for outcome in outcomes.await {
            outcome.expect("no conflict");
        }
        assert_eq!(world.gate.decisions(), 100);
        let tally = world.app.state::<Tally>(&1).await.expect("a state");
        assert_eq!(tally.notes, 100);
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_fails_leaves_the_state_to_the_next_one() {
    on_each_store(|app| async move {
        let world = World::with_history(&app, 1_000).await;
        world.tick(1, false).await.expect("ticks");
        let reads = world.store.reads();
        world.gate.open.close();
        let failed = world.tick(1, true).await.expect_err("the gate is closed");
        assert!(matches!(failed, CommandError::Failed(_)), "{failed}");
        let read = world.store.reads() - reads;
        assert!(read <= 1, "it looks once whether something has happened");
        world.tick(1, false).await.expect("ticks");
        assert_eq!(world.store.reads(), reads + read);
    })
    .await;
}
