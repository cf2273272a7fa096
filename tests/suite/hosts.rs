//! Addresses with several hosts: for the log, the one that takes writes is looked for; queries go to whichever
//! the address asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_core::store::{EventLog as _, EventLogExt as _, HasReader as _};
use cqrs_postgres::{ConnectError, Options, Postgres, SqlReader};
use test_postgres::Server;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::outage::until;
use crate::outage::writer::{account, append};
use crate::support::postgres::connect;

/// Time for what waits for no server that says nothing.
const SOON: Duration = Duration::from_secs(5);

/// A server and a standby of it.
pub struct Pair {
    pub primary: Server,
    pub standby: Server,
}

impl Pair {
    /// `None` where there is no PostgreSQL. The standby has the tables.
    pub async fn start(test: &'static str) -> Option<Arc<Self>> {
        let servers = spawn_blocking(move || {
            let primary = Server::private(test)?;
            let standby = primary.standby();
            Some(Self { primary, standby })
        });
        let pair = Arc::new(servers.await.expect("they start")?);
        drop(
            Postgres::connect(pair.primary.url())
                .await
                .expect("connects"),
        );
        let replica = connect(pair.standby.url()).await;
        let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'head'";
        until(|| async {
            let row = replica.query_one(there, &[]).await.expect("an answer");
            row.get::<_, i64>(0) == 1
        })
        .await;
        Some(pair)
    }

    pub async fn on(self: &Arc<Self>, step: impl FnOnce(&Self) + Send + 'static) {
        let pair = self.clone();
        let done = spawn_blocking(move || step(&pair));
        done.await.expect("the servers do it");
    }

    pub async fn stop(self: Arc<Self>) {
        let stopped = spawn_blocking(move || drop(self));
        stopped.await.expect("they stop");
    }
}

/// The address of the same database on both servers.
pub fn both(first: &Server, second: &Server, parameters: &str) -> String {
    let host = |server: &Server| {
        let (_, address) = server.url().split_once('@').expect("a host");
        let (host, _) = address.split_once('/').expect("a database");
        host.to_owned()
    };
    let (first, second) = (host(first), host(second));
    format!("postgres://postgres@{first},{second}/postgres{parameters}")
}

async fn is_standby(reader: &SqlReader) -> bool {
    let row = reader.query_one("SELECT pg_is_in_recovery()", &[]).await;
    row.expect("an answer").get(0)
}

fn options() -> Options {
    Postgres::options().retry_timeout(Duration::from_secs(30))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_looked_for_where_it_is_written() {
    let Some(pair) = Pair::start("the_log_is_looked_for_where_it_is_written").await else {
        return;
    };
    let began = Instant::now();
    let url = both(&pair.standby, &pair.primary, "");
    let store = options().connect(&url).await.expect("connects");
    let appended = store.append(append(&account(1), 1, None)).await;
    appended.expect("it is appended");
    drop(store);
    // One that says nothing is not waited for.
    pair.on(|pair| pair.standby.stand_still()).await;
    let store = options().connect(&url).await.expect("connects");
    let appended = store.append(append(&account(1), 1, None)).await;
    appended.expect("it is appended");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    drop(store);
    pair.on(|pair| pair.standby.go_on()).await;
    let standby = options().connect(pair.standby.url()).await;
    assert!(matches!(standby, Err(ConnectError::Replica)), "{standby:?}");
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_go_to_the_servers_that_the_address_asks_for() {
    let test = "queries_go_to_the_servers_that_the_address_asks_for";
    let Some(pair) = Pair::start(test).await else {
        return;
    };
    let Pair { primary, standby } = &*pair;
    let store = async |parameters: &str| {
        let options = options().pool_size(16);
        let options = options.read_url(&both(primary, standby, parameters));
        options.connect(primary.url()).await.expect("connects")
    };
    // Each reader keeps its connection.
    let balanced = store("?target_session_attrs=any&load_balance_hosts=random").await;
    let mut readers = Vec::new();
    let mut standbys = 0;
    for _ in 0..16 {
        let reader = balanced.reader();
        standbys += usize::from(is_standby(&reader).await);
        readers.push(reader);
    }
    assert!((1..16).contains(&standbys), "{standbys} of 16");
    drop((readers, balanced));

    let replicas = store("?target_session_attrs=read-only").await;
    assert!(is_standby(&replicas.reader()).await);
    drop(replicas);

    let preferring = store("?target_session_attrs=prefer-standby").await;
    assert!(is_standby(&preferring.reader()).await);
    // Without one, the others are asked, and nobody notices.
    pair.on(|pair| pair.standby.kill()).await;
    until(|| async {
        let row = preferring
            .reader()
            .query_one("SELECT pg_is_in_recovery()", &[])
            .await;
        row.is_ok_and(|row| !row.get::<_, bool>(0))
    })
    .await;
    drop(preferring);
    pair.stop().await;
}

/// As a demoted leader, or one that an operator has made read-only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_has_become_read_only_is_given_up() {
    let test = "a_session_that_has_become_read_only_is_given_up";
    let server = spawn_blocking(move || Server::private(test));
    let Some(server) = server.await.expect("it starts") else {
        return;
    };
    // Two names of one server, so that it is looked for.
    let (_, port) = server.url().rsplit_once(':').expect("a port");
    let (port, _) = port.split_once('/').expect("a database");
    let url = format!("postgres://postgres@127.0.0.1:{port},localhost:{port}/postgres");
    let store = options().connect(&url).await.expect("connects");
    let first = store.append(append(&account(1), 1, None)).await;
    let first = first.expect("it is appended");
    let client = connect(server.url()).await;
    let set = async |value: &str| {
        let statements = [
            "SET transaction_read_only = off".to_owned(),
            format!("ALTER SYSTEM SET default_transaction_read_only = {value}"),
            "SELECT pg_reload_conf()".to_owned(),
        ];
        for statement in statements {
            client.batch_execute(&statement).await.expect("it is set");
        }
        // The server's processes learn of it one by one.
        until(|| async {
            let session = connect(server.url()).await;
            let shown = session
                .query_one("SHOW default_transaction_read_only", &[])
                .await;
            shown.expect("an answer").get::<_, &str>(0) == value
        })
        .await;
    };
    set("on").await;
    let mut waiting = store.append(append(&account(1), 1, None));
    let refused = timeout(Duration::from_millis(500), &mut waiting).await;
    assert!(refused.is_err(), "it waits for a server that takes writes");
    set("off").await;
    let second = waiting.await;
    assert_eq!(second.expect("it is appended").first, first.last.plus(1));
    drop(store);
    let stopped = spawn_blocking(move || drop(server));
    stopped.await.expect("it stops");
}

/// As a leader that was frozen, and goes on before it is demoted; and as a backup that is restored with its files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_of_before_is_taken_only_if_there_is_no_other() {
    let test = "a_leader_of_before_is_taken_only_if_there_is_no_other";
    let Some(pair) = Pair::start(test).await else {
        return;
    };
    let url = both(&pair.primary, &pair.standby, "");
    let store = options().connect(&url).await.expect("connects");
    let first = store.append(append(&account(1), 1, None)).await;
    let first = first.expect("it is appended");
    let end = connect(pair.primary.url()).await;
    let end = end
        .query_one("SELECT pg_current_wal_lsn()::text", &[])
        .await;
    let end: String = end.expect("an answer").get(0);
    let standby = connect(pair.standby.url()).await;
    until(|| async {
        let has_it = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn");
        let row = standby.query_one(&has_it, &[]).await;
        row.expect("an answer").get(0)
    })
    .await;
    pair.on(|pair| pair.primary.kill()).await;
    let promoted = standby.query_one("SELECT pg_promote()", &[]).await;
    assert!(promoted.expect("an answer").get::<_, bool>(0));
    let second = store.append(append(&account(1), 1, None)).await;
    assert_eq!(second.expect("it is appended").first, first.last.plus(1));
    let log = store.heads().incarnation();

    // Both take writes, and the new one cannot be reached for a moment.
    pair.on(|pair| pair.standby.kill()).await;
    pair.on(|pair| pair.primary.restart()).await;
    let mut waiting = store.append(append(&account(1), 1, None));
    let waited = timeout(Duration::from_secs(2), &mut waiting).await;
    assert!(waited.is_err(), "it waits for the new leader: {waited:?}");
    pair.on(|pair| pair.standby.restart()).await;
    let third = waiting.await.expect("it is appended");
    assert_eq!(third.first, first.last.plus(2));
    assert_eq!(store.heads().incarnation(), log);

    // There is no other.
    pair.on(|pair| pair.standby.kill()).await;
    let began = Instant::now();
    assert_eq!(store.head().await.expect("a head"), first.last);
    assert!(began.elapsed() > SOON, "{:?}", began.elapsed());
    assert_ne!(store.heads().incarnation(), log, "events are gone");
    drop(store);
    pair.stop().await;
}
