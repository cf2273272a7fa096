//! Events of another process on PostgreSQL that can be seen before they are durable: nothing that
//! depends on them is handed on before (I7). The server is killed in between.

mod failing_flush;
mod leads;
mod replaced_events;
mod transactions;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::app::SubscriptionState;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventLog, EventLogExt, EventQuery, Incarnation, ReadRange};
use cqrs_core::{CommandError, Dispatcher};
use cqrs_postgres::Postgres;
use test_postgres::Server;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_postgres::Client;

use crate::failover::{self, AllSeats, LeaveSeat, Seat, TakeSeat};
use crate::outage::until;
use crate::support::postgres::{Schema, connect};

/// A reaction, and a query with SQL.
mod watching {
    use cqrs_core::prelude::*;
    use cqrs_postgres::Postgres;
    use tokio::sync::mpsc;

    use crate::failover::SeatTaken;

    cqrs_core::module!();

    pub struct Heard(pub mpsc::UnboundedSender<u64>);

    #[event_handler]
    fn hear(_: SeatTaken, recorded: &Recorded, heard: Service<Heard>) -> Result<()> {
        Ok(heard.0.send(recorded.position.get())?)
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = i64)]
    pub struct CountEvents;

    #[query_handler]
    async fn count_events(_: CountEvents, tx: ReadTx<Postgres>) -> Result<i64> {
        let row = tx
            .query_one("SELECT count(*) FROM cqrs.events", &[])
            .await?;
        Ok(row.try_get(0)?)
    }
}

/// A server that writes nothing to its disk but what commits wait for.
struct Held {
    server: Arc<Server>,
    client: Client,
}

impl Held {
    async fn start(test: &str) -> Option<Self> {
        let server = Arc::new(Server::private(test)?);
        let client = connect(server.url()).await;
        let settings = "ALTER SYSTEM SET autovacuum = off";
        client.batch_execute(settings).await.expect("a setting");
        // The server accepts connections before all of its processes run.
        let writer = "SELECT FROM pg_stat_activity WHERE backend_type = 'walwriter'";
        until(|| async {
            let found = client.query_opt(writer, &[]).await;
            found.expect("it answers").is_some()
        })
        .await;
        let stop = "DO $$ BEGIN PERFORM pg_reload_conf(); EXECUTE format( \
                    'COPY (SELECT 1) TO PROGRAM %L', 'cat > /dev/null; kill -STOP ' || (SELECT pid FROM \
                    pg_stat_activity WHERE backend_type = 'walwriter')); END $$";
        client.batch_execute(stop).await.expect("it stops");
        let role = "CREATE ROLE app LOGIN; GRANT CREATE ON DATABASE postgres TO app";
        client.batch_execute(role).await.expect("a role");
        Some(Self { server, client })
    }

    /// Of a role that may be kept from waiting commits.
    fn url(&self) -> String {
        self.server.url().replace("postgres@", "app@")
    }

    /// The first event once more, at the end of the log, with a commit that does not wait: as another
    /// process writes it while several do, before its waiting commit.
    async fn append_without_waiting(&self) {
        let append = "BEGIN; SET LOCAL synchronous_commit = off; \
             UPDATE cqrs.head SET position = position + 1, last = gen_random_uuid(), durable = false; \
             INSERT INTO cqrs.events SELECT (jsonb_populate_record(first, jsonb_build_object( \
                 'position', head.position, 'id', gen_random_uuid(), \
                 'command', gen_random_uuid()))).* \
             FROM cqrs.events AS first, cqrs.head AS head WHERE first.position = 1; \
             INSERT INTO cqrs.event_tags SELECT first.tag, head.position \
             FROM cqrs.event_tags AS first, cqrs.head AS head WHERE first.position = 1; \
             COMMIT";
        self.client.batch_execute(append).await.expect("it appends");
        assert!(!self.is_flushed().await, "the commit has waited");
    }

    async fn is_flushed(&self) -> bool {
        let select = "SELECT cqrs.is_flushed()";
        let row = self.client.query_one(select, &[]).await;
        row.expect("it answers").get(0)
    }

    /// The next id of a transaction. Waiting commits have one each.
    async fn transactions(&self) -> String {
        let select = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";
        let row = self.client.query_one(select, &[]).await;
        row.expect("it answers").get(0)
    }

    /// Whether the role may make waiting commits of its own.
    async fn allow_flush(&self, is_allowed: bool) {
        let (verb, preposition) = if is_allowed {
            ("GRANT", "TO")
        } else {
            ("REVOKE", "FROM")
        };
        // Its arguments depend on the version of the server.
        let change = format!(
            "DO $$ BEGIN EXECUTE (SELECT string_agg(format( \
                 '{verb} EXECUTE ON FUNCTION %s {preposition} PUBLIC', oid::regprocedure), ';') \
             FROM pg_proc WHERE proname = 'pg_logical_emit_message'); END $$"
        );
        let changed = self.client.batch_execute(&change).await;
        changed.expect("the privilege is changed");
    }

    /// Kills the server, and starts it again. Returns the head of its log.
    async fn crash(&mut self) -> i64 {
        for step in [Server::kill, Server::restart] {
            let server = self.server.clone();
            let done = spawn_blocking(move || step(&server)).await;
            done.expect("the server is killed and restarted");
        }
        self.client = connect(self.server.url()).await;
        self.head().await
    }

    /// The head of the log, durable or not.
    async fn head(&self) -> i64 {
        let select = "SELECT position FROM cqrs.head";
        let row = self.client.query_one(select, &[]).await;
        row.expect("it answers").get(0)
    }
}

async fn seats(app: &Dispatcher) -> Vec<(u32, u32, u32)> {
    app.query(AllSeats).await.expect("it answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_handed_on_that_a_crash_takes_back() {
    const TEST: &str = "nothing_is_handed_on_that_a_crash_takes_back";
    let Some(mut held) = Held::start(TEST).await else {
        return;
    };
    let store = Postgres::connect(&held.url()).await.expect("it connects");
    let (sender, mut heard) = mpsc::unbounded_channel();
    let builder = Dispatcher::builder()
        .module(failover::module())
        .module(watching::module())
        .provide(Arc::new(watching::Heard(sender)));
    let app = builder.store(store.clone()).build().await.expect("builds");
    app.execute(TakeSeat { seat: 1 }).await.expect("it is free");
    let receipt = app.execute(LeaveSeat { seat: 1 }).await.expect("it leaves");
    let left = app.query(AllSeats).after(&receipt).await;
    assert_eq!(left.expect("it answers"), [(1, 1, 1)]);
    assert_eq!(heard.recv().await, Some(1));

    held.allow_flush(false).await;
    held.append_without_waiting().await;
    // The seat seems to be taken, which nobody may be told.
    let refused = app.execute(TakeSeat { seat: 1 }).await;
    assert!(
        matches!(refused, Err(CommandError::Failed(_))),
        "{refused:?}"
    );
    assert!(app.state::<Seat>(&1).await.is_err(), "a state");
    app.history::<Seat>(&1).all().await.expect_err("a history");
    app.query(watching::CountEvents).await.expect_err("rows");
    store.head().await.expect_err("a head");
    let is_failing = || async {
        let health = app.health();
        let mut states = health.subscriptions.iter().map(|it| &it.state);
        states.all(|state| matches!(state, SubscriptionState::Failing { .. }))
    };
    until(is_failing).await;
    assert_eq!(seats(&app).await, [(1, 1, 1)]);
    heard.try_recv().expect_err("a reaction");
    assert!(!held.is_flushed().await, "something else has waited");

    assert_eq!(held.crash().await, 2, "the event is lost");
    held.allow_flush(true).await;
    // It is the same log: nothing is known that it has lost.
    let take = || app.execute(TakeSeat { seat: 1 });
    until(|| async { take().await.is_ok() || take_is_refused(&app).await }).await;
    assert_eq!(store.heads().incarnation(), Incarnation::default());
    assert_eq!(heard.recv().await, Some(3));
    until(|| async { seats(&app).await == [(1, 2, 1)] }).await;
}

/// An earlier attempt without an answer may have taken the seat.
async fn take_is_refused(app: &Dispatcher) -> bool {
    let taken = app.execute(TakeSeat { seat: 1 }).await;
    matches!(taken, Err(CommandError::Rejected(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_makes_durable_what_it_returns() {
    const TEST: &str = "a_read_makes_durable_what_it_returns";
    let Some(mut held) = Held::start(TEST).await else {
        return;
    };
    let store = Postgres::connect(&held.url()).await.expect("it connects");
    let builder = Dispatcher::builder().module(failover::module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    app.execute(TakeSeat { seat: 1 }).await.expect("it is free");
    // Its projection waits for the disk as well, whatever it commits there.
    app.shutdown(Duration::from_secs(30))
        .await
        .expect("it ends");
    held.append_without_waiting().await;
    let range = ReadRange::after(Position::START);
    let page = store.read(EventQuery::All, range).await.expect("it reads");
    assert_eq!(page.events.len(), 2);
    assert_eq!(held.crash().await, 2, "the event is there");
}

/// A log that one process writes costs no waiting commits to read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_a_durable_log_write_nothing() {
    const TEST: &str = "reads_of_a_durable_log_write_nothing";
    let Some(held) = Held::start(TEST).await else {
        return;
    };
    let store = Postgres::connect(&held.url()).await.expect("it connects");
    let builder = Dispatcher::builder().module(failover::module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    let receipt = app.execute(TakeSeat { seat: 1 }).await.expect("it is free");
    app.query(AllSeats)
        .after(&receipt)
        .await
        .expect("it answers");
    let other = Postgres::connect(&held.url()).await.expect("it connects");
    let before = held.transactions().await;
    for _ in 0..20 {
        let range = ReadRange::after(Position::START);
        let page = other.read(EventQuery::All, range).await.expect("it reads");
        assert_eq!(page.events.len(), 1);
        other.head().await.expect("a head");
        let found = other.command(receipt.command()).await.expect("it is found");
        assert!(found.is_some());
    }
    assert_eq!(
        held.transactions().await,
        before,
        "a read has written something"
    );
}

/// Whether the last append waited for the disk under the lock of the head.
async fn waited(client: &Client, schema: &Schema) -> bool {
    let select = format!("SELECT durable FROM {}.head", schema.name());
    let row = client.query_one(&select, &[]).await;
    row.expect("it answers").get(0)
}

/// Callers of several processes about one aggregate and about others, at the same time.
async fn leave(apps: &[Dispatcher], seats: Range<u32>, times: usize) {
    let mut calls = JoinSet::new();
    for app in apps {
        for seat in seats.clone() {
            let app = app.clone();
            calls.spawn(async move {
                for _ in 0..times {
                    app.execute(LeaveSeat { seat }).await.expect("it leaves");
                }
            });
        }
    }
    calls.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_write_at_once_share_the_head_and_one_that_is_alone_does_not() {
    const TEST: &str = "processes_that_write_at_once_share_the_head";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let client = schema.client().await;
    let mut apps = Vec::new();
    for _ in 0..4 {
        let builder = Dispatcher::builder().module(failover::module());
        let app = builder.store(schema.open().await).build().await;
        apps.push(app.expect("builds"));
    }
    // The same seats in all processes, so that every one of them is a hot aggregate.
    leave(&apps, 0..8, 12).await;
    for seat in 0..8 {
        let events = apps[0]
            .history::<Seat>(&seat)
            .all()
            .await
            .expect("it reads");
        assert_eq!(events.len(), 4 * 12, "of seat {seat}");
    }
    // Each is overtaken by the other, until both use the function.
    until(async || {
        leave(&apps[..1], 0..1, 1).await;
        leave(&apps[1..2], 1..2, 1).await;
        !waited(&client, &schema).await
    })
    .await;
    // One caller, so that each command is a batch.
    leave(&apps[..1], 0..1, 80).await;
    assert!(
        waited(&client, &schema).await,
        "it goes on as if others wrote"
    );
}
