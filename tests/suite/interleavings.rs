//! Random requests of two processes to one log on PostgreSQL, with batches in flight, bad requests, and
//! lost connections, against a model that is a plain list.

mod draft;
mod history;

use std::cell::{Cell, RefCell};

use cqrs_conformance::StoreFixture;
use cqrs_core::store::EventLog;
use cqrs_postgres::Postgres;
use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::join;
use tokio::runtime::Builder;
use tokio_postgres::Client;

use self::draft::{Draft, MARKER, Request, drafts};
use self::history::{Answer, History, Round};
use crate::outage::proxy::{Loss, Proxy};
use crate::outage::until;
use crate::support::postgres::Schema;

const TEST: &str = "postgresql_agrees_with_the_model";

/// Requests to one process, which is started for them.
#[derive(Clone, Debug)]
struct Case {
    /// Number of events in the window of the process.
    window: usize,
    max_batch: usize,
    steps: Vec<Step>,
}

/// Requests that are sent while the head is locked, so that batches are in flight when the first one of
/// them is written.
#[derive(Clone, Debug)]
struct Step {
    here: Vec<Draft>,
    there: Vec<Draft>,
    /// Who is first in the queue for the lock.
    is_overtaken: bool,
    /// The connection of the process is ended while it waits.
    is_terminated: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let window = prop_oneof![Just(usize::MAX), 1..10_usize];
    let max_batch = prop_oneof![2 => Just(1024), 1 => 1..8_usize];
    // Of a crowd of more than 16, one half is sent behind the other.
    let here = prop_oneof![1 => drafts(1..16), 3 => drafts(17..48)];
    let there = prop_oneof![2 => Just(Vec::new()), 1 => drafts(1..6)];
    let step = (here, there, any::<bool>(), prop::bool::weighted(0.1));
    let step = step.prop_map(|(here, there, is_overtaken, is_terminated)| Step {
        here,
        there,
        is_overtaken,
        is_terminated,
    });
    let steps = prop::collection::vec(step, 1..6);
    (window, max_batch, steps).prop_map(|(window, max_batch, steps)| Case {
        window,
        max_batch,
        steps,
    })
}

/// The database, and what has been sent to it.
struct World {
    schema: Schema,
    client: Client,
    history: History,
}

impl World {
    async fn new() -> Option<Self> {
        let schema = Schema::fresh(TEST, Postgres::options())?;
        drop(schema.open().await);
        let client = schema.client().await;
        let table = format!(
            "CREATE TABLE {}.noted (command text NOT NULL)",
            schema.name()
        );
        client.batch_execute(&table).await.expect("a table");
        Some(Self {
            schema,
            client,
            history: History::default(),
        })
    }

    async fn run(&mut self, case: Case) {
        let url = self.schema.url();
        let (proxy, _) = Proxy::losing(url, MARKER, Loss::Answer).await;
        let options = self.schema.options().application_name(TEST);
        let options = options.window(case.window).max_batch(case.max_batch);
        let here = options.connect(&proxy.url(url)).await.expect("it connects");
        let there = self.schema.open().await;
        for step in case.steps {
            self.step(&here, &there, step).await;
        }
        self.history.check_records(&there).await;
        self.check_rows().await;
    }

    async fn step(&mut self, here: &Postgres, there: &Postgres, step: Step) {
        let ours = self.requests(&step.here);
        let theirs = self.requests(&step.there);
        let is_lost = ours.iter().any(Request::is_lost);
        let is_calm = theirs.is_empty() && !is_lost && !step.is_terminated;
        let mut sides = [Side::new(here, ours), Side::new(there, theirs)];
        if step.is_overtaken {
            sides.reverse();
        }
        let lock = self.lock_head().await;
        let [first, second] = &sides;
        let behind = async {
            self.until_held(&sides[..1]).await;
            second.send().await
        };
        let release = async {
            self.until_held(&sides[..1]).await;
            self.until_held(&sides).await;
            if step.is_terminated {
                self.terminate().await;
            }
            lock.batch_execute("COMMIT").await.expect("it ends");
        };
        let (of_first, of_second, ()) = join!(first.send(), behind, release);
        let requests = sides.into_iter().flat_map(|side| side.requests);
        let answered = requests
            .zip(of_first.into_iter().chain(of_second))
            .collect();
        self.history.add(there, &Round { answered, is_calm }).await;
    }

    /// The requests of a process, in the order in which it sends them.
    fn requests(&mut self, drafts: &[Draft]) -> Vec<Request> {
        let mut requests: Vec<Request> = Vec::new();
        for draft in drafts {
            let request = draft.request(&self.history, requests.last(), self.schema.name());
            self.history.send(&request);
            requests.push(request);
        }
        requests
    }

    async fn lock_head(&self) -> Client {
        let client = self.schema.client().await;
        let lock = format!("BEGIN; SELECT FROM {}.head FOR UPDATE", self.schema.name());
        client.batch_execute(&lock).await.expect("the lock");
        client
    }

    /// Waits until each of these processes waits for the lock, or has answered everything.
    async fn until_held(&self, sides: &[Side<'_>]) {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE query LIKE '%' || $1 || '%' AND wait_event_type = 'Lock'";
        let name = self.schema.name();
        until(|| async {
            let row = self.client.query_one(waiting, &[&name]).await;
            let waiting: i64 = row.expect("a count").get(0);
            let unanswered = sides.iter().filter(|side| side.unanswered.get() > 0);
            usize::try_from(waiting).is_ok_and(|waiting| waiting >= unanswered.count())
        })
        .await;
    }

    /// Ends the connection that waits for the lock.
    async fn terminate(&self) {
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE application_name = $1 AND query LIKE '%' || $2 || '%' \
                         AND wait_event_type = 'Lock'";
        let name = self.schema.name();
        let ended = self.client.query(terminate, &[&TEST, &name]).await;
        ended.expect("it can be ended");
    }

    /// Statements are executed with the events of their request, or not at all.
    async fn check_rows(&self) {
        let select = format!("SELECT command FROM {}.noted", self.schema.name());
        let rows = self.client.query(&select, &[]).await.expect("rows");
        let mut found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let mut expected: Vec<String> = self.history.rows().iter().cloned().collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

/// A process, and its requests of a step.
struct Side<'s> {
    store: &'s Postgres,
    requests: Vec<Request>,
    unanswered: Cell<usize>,
}

impl<'s> Side<'s> {
    fn new(store: &'s Postgres, requests: Vec<Request>) -> Self {
        Self {
            store,
            unanswered: Cell::new(requests.len()),
            requests,
        }
    }

    /// Sends the requests at once, in order.
    async fn send(&self) -> Vec<Answer> {
        let answers = self.requests.iter().map(|request| async {
            let answer = self.store.append(request.append.clone()).await;
            self.unanswered.update(|it| it - 1);
            answer
        });
        join_all(answers).await
    }
}

/// I1, I2, I3, I6, I7, I9, I10, I11.
#[test]
fn postgresql_agrees_with_the_model() {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let Some(world) = runtime.block_on(World::new()) else {
        return;
    };
    // A case that fails leaves it in an unknown state.
    let unharmed = RefCell::new(Some(world));
    let config = ProptestConfig {
        cases: 14,
        failure_persistence: None,
        max_shrink_iters: 32,
        ..Default::default()
    };
    proptest!(config, |(case in cases())| {
        let world = unharmed.take();
        let world = runtime.block_on(async {
            let mut world = match world {
                Some(world) => world,
                None => World::new().await.expect("the server is there"),
            };
            world.run(case).await;
            world
        });
        unharmed.replace(Some(world));
    });
}
