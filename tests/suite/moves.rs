//! A log that moves to another server with PostgreSQL's own tools, as for a major version.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::Role;
use cqrs_core::store::{AppendError, EventLog as _, Incarnation, StoreError};
use cqrs_core::{CommandId, Dispatcher, Receipt};
use cqrs_postgres::Postgres;
use test_postgres::Server;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::follow::{BalanceOf, Deposit, module, quiet};
use crate::hosts::both;
use crate::outage::writer::{account, append};
use crate::support::postgres::connect;

/// Time that nothing takes.
const LONG: Duration = Duration::from_secs(60);

/// Time between two looks at what tells nothing by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// The store's tables whose rows are kept. The others hold nothing beyond a crash.
const TABLES: &str = "\
    SELECT relname::text FROM pg_class \
    WHERE relnamespace = 'cqrs'::regnamespace AND relkind = 'r' AND relpersistence = 'p'";

/// A server, and one that does not run yet.
struct Servers {
    from: Server,
    to: Server,
    programs: PathBuf,
}

impl Servers {
    /// `None` where there is no PostgreSQL, or only its server.
    async fn start(test: &'static str) -> Option<Arc<Self>> {
        let started = spawn_blocking(move || {
            let from = Server::private(test)?;
            let programs = test_postgres::binaries()?;
            if !["pg_dump", "psql"]
                .iter()
                .all(|it| programs.join(it).is_file())
            {
                return test_postgres::without(test, "`pg_dump` or `psql` is not installed");
            }
            let to = Server::private(test)?;
            to.kill();
            Some(Arc::new(Self { from, to, programs }))
        });
        started.await.expect("they start")
    }

    async fn on<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let servers = self.clone();
        let done = spawn_blocking(move || step(&servers));
        done.await.expect("the servers do it")
    }

    /// Copies the database, or only its tables without their rows.
    fn copy(&self, arguments: &[&str]) {
        let dump = Command::new(self.programs.join("pg_dump"))
            .args(arguments)
            .arg(self.from.url())
            .output()
            .expect("`pg_dump` runs");
        assert!(dump.status.success(), "{dump:?}");
        restore(&self.programs.join("psql"), self.to.url(), &dump.stdout);
    }
}

fn restore(psql: &Path, url: &str, dump: &[u8]) {
    let mut restore = Command::new(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("`psql` runs");
    let mut input = restore.stdin.take().expect("it is piped");
    input.write_all(dump).expect("it is read");
    drop(input);
    assert!(restore.wait().expect("it ends").success());
}

/// The rows of each table, in short.
async fn rows(url: &str) -> BTreeMap<String, String> {
    let client = connect(url).await;
    let mut rows = BTreeMap::new();
    for table in client.query(TABLES, &[]).await.expect("an answer") {
        let table: String = table.get(0);
        let all = format!(
            "SELECT coalesce(string_agg(md5(t::text), ' ' ORDER BY t::text), '') FROM cqrs.{table} AS t"
        );
        let found = client.query_one(&all, &[]).await.expect("an answer");
        rows.insert(table, found.get(0));
    }
    assert!(rows.len() > 5, "not all are found: {rows:?}");
    rows
}

async fn run(url: &str, statement: &str) {
    let done = connect(url).await.batch_execute(statement).await;
    done.expect("it is done");
}

async fn until_shown(url: &str, question: &str) {
    let client = connect(url).await;
    let shown = async {
        while !client
            .query_one(question, &[])
            .await
            .expect("an answer")
            .get::<_, bool>(0)
        {
            sleep(PAUSE).await;
        }
    };
    let shown = timeout(LONG, shown).await;
    shown.unwrap_or_else(|_| panic!("it is never so: {question}"));
}

async fn app(store: &Postgres, roles: &[Role]) -> Dispatcher {
    let builder = quiet(Dispatcher::builder()).module(module());
    let builder = builder.roles(roles.iter().copied());
    builder.store(store.clone()).build().await.expect("builds")
}

async fn deposit(app: &Dispatcher, id: CommandId) -> Receipt {
    let command = Deposit {
        account: 1,
        cents: 5,
    };
    app.execute(command).id(id).await.expect("deposits")
}

/// A log with events that are handled, and others that are not. Returns the id and the receipt of the last.
async fn fill(store: &Postgres) -> (CommandId, Receipt) {
    let all = app(store, &Role::ALL).await;
    for _ in 0..5 {
        deposit(&all, CommandId::new()).await;
    }
    all.wait_until_idle(LONG).await.expect("comes to rest");
    all.shutdown(LONG).await.expect("shuts down");
    let commands = app(store, &[Role::Commands]).await;
    for _ in 0..2 {
        deposit(&commands, CommandId::new()).await;
    }
    let id = CommandId::new();
    let receipt = deposit(&commands, id).await;
    commands.shutdown(LONG).await.expect("shuts down");
    (id, receipt)
}

/// Everything goes on where it was: for a process that has run before, and for one that starts.
async fn assert_continued(servers: &Arc<Servers>, store: Postgres, last: (CommandId, Receipt)) {
    let rows_of = [rows(servers.from.url()).await, rows(servers.to.url()).await];
    assert_eq!(rows_of[0], rows_of[1], "not all rows have moved");
    servers.on(|servers| servers.from.kill()).await;

    let (id, receipt) = last;
    let before = app(&store, &[Role::Commands]).await;
    let again = deposit(&before, id).await;
    assert_eq!(again.last(), receipt.last(), "it is known");
    let next = deposit(&before, CommandId::new()).await;
    assert_eq!(next.last(), receipt.last().plus(1));
    assert_eq!(
        store.heads().incarnation(),
        Incarnation::default(),
        "the same log"
    );

    let other = Postgres::connect(servers.to.url()).await.expect("connects");
    let after = app(&other, &Role::ALL).await;
    let found = after.query(BalanceOf { account: 1 }).after(&next).await;
    let balance = found.expect("found").expect("it is there");
    // Those that were handled before it moved are not handled again.
    assert_eq!(u64::from(balance.deposits), next.last().get());
    after.wait_until_idle(LONG).await.expect("comes to rest");
    assert!(after.health().is_ok(), "{:?}", after.health());
    // It is told what another one records, once it listens there: none of its workers asks.
    let told = async {
        let later = next.last().plus(1);
        while timeout(PAUSE, store.heads().reached(later)).await.is_err() {
            deposit(&after, CommandId::new()).await;
        }
    };
    timeout(LONG, told).await.expect("it is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_dumped_and_restored_is_the_same_log() {
    let test = "a_log_that_was_dumped_and_restored_is_the_same_log";
    let Some(servers) = Servers::start(test).await else {
        return;
    };
    let options = Postgres::options().retry_timeout(LONG);
    let store = options.connect(&both(&servers.from, &servers.to, "")).await;
    let store = store.expect("connects");
    let last = fill(&store).await;
    let moved = servers.on(|servers| {
        servers.to.restart();
        servers.copy(&[]);
    });
    moved.await;
    assert_continued(&servers, store, last).await;
    let stopped = spawn_blocking(move || drop(servers));
    stopped.await.expect("they stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_moved_by_logical_replication_is_the_same_log() {
    let test = "a_log_that_moved_by_logical_replication_is_the_same_log";
    let Some(servers) = Servers::start(test).await else {
        return;
    };
    run(servers.from.url(), "ALTER SYSTEM SET wal_level = logical").await;
    let restarted = servers.on(|servers| {
        servers.from.kill();
        servers.from.restart();
    });
    restarted.await;
    let options = Postgres::options().retry_timeout(LONG);
    let store = options.connect(&both(&servers.from, &servers.to, "")).await;
    let store = store.expect("connects");
    fill(&store).await;
    let copied = servers.on(|servers| {
        servers.to.restart();
        servers.copy(&["--schema-only"]);
    });
    copied.await;
    let (from, to) = (servers.from.url(), servers.to.url());
    run(from, "CREATE PUBLICATION moves FOR ALL TABLES").await;
    let follow = format!("CREATE SUBSCRIPTION moves CONNECTION '{from}' PUBLICATION moves");
    run(to, &follow).await;
    let is_ready = "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel";
    until_shown(to, is_ready).await;
    // What changes meanwhile follows.
    let last = fill(&store).await;
    let has_followed = "SELECT confirmed_flush_lsn >= pg_current_wal_flush_lsn() \
                        FROM pg_replication_slots WHERE slot_name = 'moves'";
    until_shown(from, has_followed).await;
    run(to, "DROP SUBSCRIPTION moves").await;
    assert_continued(&servers, store, last).await;
    let stopped = spawn_blocking(move || drop(servers));
    stopped.await.expect("they stop");
}

/// As after a change of names or a wrong address. It has grown past what was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_under_the_same_name_is_another_log() {
    let test = "another_cluster_under_the_same_name_is_another_log";
    let Some(servers) = Servers::start(test).await else {
        return;
    };
    let options = Postgres::options().retry_timeout(LONG);
    let store = options.connect(&both(&servers.from, &servers.to, "")).await;
    let store = store.expect("connects");
    let before = app(&store, &Role::ALL).await;
    let seen = deposit(&before, CommandId::new()).await.last();
    before.wait_until_idle(LONG).await.expect("comes to rest");
    servers.on(|servers| servers.to.restart()).await;
    let other = Postgres::connect(servers.to.url()).await.expect("connects");
    let (id, receipt) = fill(&other).await;
    assert!(receipt.last() > seen);
    servers.on(|servers| servers.from.kill()).await;

    let decided = store.append(append(&account(1), 1, Some(seen))).await;
    assert!(
        matches!(decided, Err(AppendError::Store(StoreError::Rewound { .. }))),
        "{decided:?}"
    );
    assert_ne!(store.heads().incarnation(), Incarnation::default());
    // The process goes on with the other log, its ids and its views.
    assert_eq!(deposit(&before, id).await.last(), receipt.last());
    let next = deposit(&before, CommandId::new()).await;
    assert_eq!(next.last(), receipt.last().plus(1));
    let found = before.query(BalanceOf { account: 1 }).after(&next);
    let balance = found.max_wait(LONG).await.expect("found");
    let deposits = balance.expect("it is there").deposits;
    assert_eq!(u64::from(deposits), next.last().get());
    drop((before, store, other));
    let stopped = spawn_blocking(move || drop(servers));
    stopped.await.expect("they stop");
}
