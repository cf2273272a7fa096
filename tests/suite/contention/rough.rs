//! Processes that take turns while they stand still for longer than a lease, and lose their connections.

use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cqrs_conformance::StoreFixture as _;
use cqrs_core::error::Failure;
use cqrs_core::store::{AppendError, EventQuery, StoreError};
use cqrs_core::{CommandError, CommandId, Dispatcher};
use cqrs_postgres::Postgres;
use fastrand::Rng;
use futures_util::future::join_all;
use tokio::join;
use tokio::runtime::{self, Runtime};
use tokio::time::sleep;

use crate::failover::{self, AllSeats, LeaveSeat};
use crate::outage::random;
use crate::support::postgres::Schema;

/// How long they write.
const TIME: Duration = Duration::from_secs(5);

/// Of each process.
const CALLERS: usize = 8;

const TEST: &str = "processes_that_stand_still_and_lose_connections";

/// One of which has half of the commands.
const SEATS: u32 = 4;

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    /// It was not recorded.
    Nothing,
    Unknown,
}

type Sent = Vec<(CommandId, Answer)>;

/// Sends commands, one after another. Some get their ids from the dispatcher, and if they fail, nobody knows
/// the ids.
async fn send(app: &Dispatcher, mut random: Rng, end: Instant) -> Sent {
    let mut answers = Vec::new();
    while Instant::now() < end {
        let seat = if random.bool() {
            0
        } else {
            random.u32(..SEATS)
        };
        let command = app.execute(LeaveSeat { seat });
        let given = CommandId::new();
        let outcome = if random.bool() {
            command.id(given).await
        } else {
            command.await
        };
        answers.push(match outcome {
            Ok(receipt) => (receipt.command(), Answer::Done),
            Err(CommandError::Failed(
                Failure::Append(AppendError::Store(StoreError::Unavailable { .. }))
                | Failure::Store(StoreError::Unavailable { .. }),
            )) => (given, Answer::Nothing),
            Err(CommandError::Failed(Failure::Append(AppendError::Indeterminate { .. }))) => {
                (given, Answer::Unknown)
            }
            Err(error) => panic!("{error:?}"),
        });
    }
    answers
}

/// Keeps the thread of its process from everything else, again and again.
async fn stand_still(mut random: Rng, end: Instant) {
    while Instant::now() < end {
        sleep(Duration::from_millis(random.u64(..400))).await;
        let longest = if random.u8(..4) == 0 { 1_500 } else { 150 };
        thread::sleep(Duration::from_millis(random.u64(..longest)));
    }
}

fn process(schema: &Schema, mut random: Rng, begin: &Barrier) -> Sent {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let builder = Dispatcher::builder().module(failover::module());
        let builder = builder.lease(Duration::from_millis(500));
        let app = builder.store(schema.open().await).build().await;
        let app = app.expect("builds");
        begin.wait();
        let end = Instant::now() + TIME;
        let still = stand_still(random.fork(), end);
        let callers = (0..CALLERS).map(|_| send(&app, random.fork(), end));
        let (sent, ()) = join!(join_all(callers), still);
        sent.into_iter().flatten().collect()
    })
}

/// Ends connections of the stores, one after another.
async fn end_connections(schema: &Schema, mut random: Rng, begin: &Barrier) {
    let client = schema.client().await;
    begin.wait();
    let end = Instant::now() + TIME;
    let one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name = $1 ORDER BY random() LIMIT 1";
    while Instant::now() < end {
        sleep(Duration::from_millis(random.u64(..150))).await;
        let ended = client.query(one, &[&TEST]).await;
        ended.expect("it ends one, or there is none");
    }
}

/// I1, I6, I7, I9: each acknowledged command is recorded once, each that failed is not, all processes make
/// progress, and the read model has each event once.
#[test]
fn processes_that_stand_still_and_lose_connections_lose_and_repeat_nothing() {
    let options = Postgres::options().application_name(TEST);
    let Some(schema) = Schema::fresh(TEST, options) else {
        return;
    };
    let runtime = Runtime::new().expect("a runtime");
    drop(runtime.block_on(schema.open()));
    let mut random = random(TEST);
    let begin = Barrier::new(5);
    let sent: Vec<Sent> = thread::scope(|scope| {
        let processes = [(); 4].map(|()| {
            let (schema, random, begin) = (&schema, random.fork(), &begin);
            scope.spawn(move || process(schema, random, begin))
        });
        runtime.block_on(end_connections(&schema, random.fork(), &begin));
        processes.map(|it| it.join().expect("no panic")).into()
    });
    for one in &sent {
        assert!(one.iter().any(|(_, answer)| *answer == Answer::Done));
    }
    runtime.block_on(compare(&schema, sent.concat()));
}

async fn compare(schema: &Schema, sent: Sent) {
    let app = Dispatcher::builder().module(failover::module());
    let app = app.store(schema.open().await).build().await;
    let app = app.expect("builds");
    let rest = app.wait_until_idle(Duration::from_secs(60)).await;
    rest.expect("it comes to rest");
    let events = app.events(EventQuery::All).all().await.expect("it reads");
    let mut recorded: HashMap<CommandId, usize> = HashMap::new();
    for event in &events {
        *recorded.entry(event.meta.command).or_default() += 1;
    }
    assert!(recorded.values().all(|times| *times == 1));
    for (id, answer) in sent {
        let is_recorded = recorded.contains_key(&id);
        let is_right = answer == Answer::Unknown || is_recorded == (answer == Answer::Done);
        assert!(is_right, "{id}: {answer:?}");
    }
    let seats = app.query(AllSeats).await.expect("it answers");
    let folded: u32 = seats.iter().map(|(_, _, leaves)| leaves).sum();
    assert_eq!(folded as usize, events.len());
}
