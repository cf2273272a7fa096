//! What the servers of a cluster say of themselves, and queries on a standby that takes over.

use std::time::{Duration, Instant};

use cqrs_core::store::EventLog as _;
use cqrs_core::{Dispatcher, Position};
use cqrs_metrics::ClusterMetrics;
use cqrs_postgres::{ClusterHealth, Options, Postgres, ServerRole};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tokio::time::sleep;

use crate::follow::{BalanceOf, Deposit, module, quiet};
use crate::hosts::{Pair, both};
use crate::outage::until;
use crate::outage::writer::{account, append};
use crate::support::postgres::connect;

/// Time that nothing takes.
const LONG: Duration = Duration::from_secs(60);

/// A role that may create tables, and not see what others do.
const ROLE: &str = "CREATE ROLE writer LOGIN; GRANT CREATE ON DATABASE postgres TO writer";

fn options() -> Options {
    Postgres::options().retry_timeout(Duration::from_secs(60))
}

/// The health, once it is as asked for: answers are given again for a second.
async fn health(store: &Postgres, is_so: impl Fn(&ClusterHealth) -> bool) -> ClusterHealth {
    let deadline = Instant::now() + LONG;
    loop {
        let found = store.cluster_health().await;
        if is_so(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "it is never so: {found:#?}");
        // Nothing tells of it, and an answer is given again for a second.
        sleep(Duration::from_millis(100)).await;
    }
}

/// What a monitor is told.
struct Monitor {
    recorder: PrometheusRecorder,
    cluster: ClusterMetrics,
}

impl Monitor {
    fn new() -> Self {
        Self {
            recorder: PrometheusBuilder::new().build_recorder(),
            cluster: ClusterMetrics::new(),
        }
    }

    /// Fails unless each of these lines is there, with the health as it is now.
    #[track_caller]
    fn shows(&self, health: &ClusterHealth, lines: &[&str]) {
        metrics::with_local_recorder(&self.recorder, || self.cluster.observe(health));
        let text = self.recorder.handle().render();
        for line in lines {
            assert!(
                text.lines().any(|it| it == *line),
                "{line} is not in {text}"
            );
        }
    }
}

fn server(of: &str, host: &str, role: &str, is_present: u8) -> String {
    format!(r#"cqrs_cluster_server{{of="{of}",host="{host}",role="{role}"}} {is_present}"#)
}

fn reasons(health: &ClusterHealth) -> String {
    health.reasons().join("; ")
}

async fn run(url: &str, statements: &str) {
    for statement in statements.split("; ") {
        let done = connect(url).await.batch_execute(statement).await;
        done.expect("it is done");
    }
}

fn are_leader_and_standby(first: ClusterHealth, [leader, standby]: [&str; 2], appended: Position) {
    let log = first.log.expect("there is a leader");
    assert_eq!(log.host, leader);
    assert_eq!((log.role, log.timeline), (ServerRole::Leader, Some(1)));
    assert_eq!((log.lag, log.is_receiving), (None, None));
    assert_eq!((log.position, log.waiting_sessions), (appended, 0));
    let [follower] = &log.standbys[..] else {
        panic!("{log:?}");
    };
    assert_eq!(follower.state.as_deref(), Some("streaming"));
    assert_eq!(follower.synchronous.as_deref(), Some("async"));
    let queries = first.queries.expect("there is a standby");
    assert_eq!(queries.host, standby);
    assert_eq!(
        (queries.role, queries.timeline),
        (ServerRole::Standby, Some(1))
    );
    assert_eq!(queries.is_receiving, Some(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_of_a_store_say_what_they_are() {
    let test = "the_servers_of_a_store_say_what_they_are";
    let Some(pair) = Pair::start(test).await else {
        return;
    };
    let Pair { primary, standby } = &*pair;
    let host = |url: &str| {
        let (_, address) = url.split_once('@').expect("a host");
        address.trim_end_matches("/postgres").to_owned()
    };
    let options = options().read_url(standby.url());
    let store = options.connect(&both(primary, standby, "")).await;
    let store = store.expect("connects");
    let appended = store.append(append(&account(1), 1, None)).await;
    let appended = appended.expect("it is appended").last;

    let has_arrived = |health: &ClusterHealth| {
        let position = health.queries.as_ref().map(|it| it.position);
        position == Some(appended)
    };
    let first = health(&store, has_arrived).await;
    assert!(first.is_ok(), "{first:?}");
    let monitor = Monitor::new();
    let (leader_host, standby_host) = (host(primary.url()), host(standby.url()));
    monitor.shows(
        &first,
        &[
            &server("log", &leader_host, "leader", 1),
            &server("queries", &standby_host, "standby", 1),
            r#"cqrs_cluster_timeline{of="log"} 1"#,
            r#"cqrs_standby_connected{standby="walreceiver"} 1"#,
            r#"cqrs_standby_synchronous{standby="walreceiver"} 0"#,
            "cqrs_cluster_ok 1",
        ],
    );
    are_leader_and_standby(first, [&leader_host, &standby_host], appended);

    // It lags.
    run(standby.url(), "SELECT pg_wal_replay_pause()").await;
    let second = store.append(append(&account(1), 2, None)).await;
    second.expect("it is appended");
    let behind = health(&store, |health| {
        let (Some(log), Some(queries)) = (&health.log, &health.queries) else {
            return false;
        };
        let is_late = queries.lag > Some(Duration::from_millis(100));
        is_late && log.standbys.iter().all(|it| it.bytes_behind > Some(0))
    })
    .await;
    assert!(behind.is_ok(), "only people know how old is too old");
    let positions = [behind.log, behind.queries].map(|it| it.expect("it answers").position);
    assert_eq!(positions[0].since(positions[1]), 2);
    run(standby.url(), "SELECT pg_wal_replay_resume()").await;

    // The leader is gone.
    pair.on(|pair| pair.primary.kill()).await;
    let gone = health(&store, |health| health.log.is_none()).await;
    monitor.shows(
        &gone,
        &[
            &server("log", &leader_host, "leader", 0),
            "cqrs_cluster_ok 0",
        ],
    );
    let told = reasons(&gone);
    assert!(
        told.contains("there is no server that takes writes"),
        "{told}"
    );
    let gone = health(&store, |health| health.reasons().len() == 2).await;
    let told = reasons(&gone);
    assert!(told.contains("receives nothing from a leader"), "{told}");

    // The standby takes over.
    run(standby.url(), "SELECT pg_promote()").await;
    let promoted = health(&store, ClusterHealth::is_ok).await;
    monitor.shows(
        &promoted,
        &[
            &server("log", &leader_host, "leader", 0),
            &server("log", &standby_host, "leader", 1),
            &server("queries", &standby_host, "standby", 0),
            r#"cqrs_cluster_timeline{of="log"} 2"#,
            r#"cqrs_standby_connected{standby="walreceiver"} 0"#,
        ],
    );
    for server in [promoted.log, promoted.queries] {
        let server = server.expect("it answers");
        assert_eq!(server.host, host(standby.url()));
        assert_eq!(
            (server.role, server.timeline),
            (ServerRole::Leader, Some(2))
        );
    }
    drop(store);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_that_appends_wait_for_a_standby() {
    let test = "health_says_that_appends_wait_for_a_standby";
    let Some(pair) = Pair::start(test).await else {
        return;
    };
    run(pair.primary.url(), ROLE).await;
    let url = pair.primary.url().replacen("postgres@", "writer@", 1);
    let store = options().schema("writers").connect(&url).await;
    let store = store.expect("connects");
    let synchronous = "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()";
    run(pair.primary.url(), synchronous).await;
    let shown = health(&store, |health| {
        let log = health.log.as_ref();
        log.is_some_and(|log| log.synchronous_standby_names == "*")
    })
    .await;
    assert!(shown.is_ok(), "{shown:?}");
    let standbys = shown.log.expect("it answers").standbys;
    let [unseen] = &standbys[..] else {
        panic!("{standbys:?}");
    };
    assert_eq!((&unseen.state, &unseen.synchronous), (&None, &None));

    for is_frozen in [true, false] {
        let (cause, connected) = if is_frozen {
            pair.on(|pair| pair.standby.stand_still()).await;
            ("not enough of these answer", "connected: walreceiver")
        } else {
            pair.on(|pair| pair.standby.kill()).await;
            ("none of these is connected", "no standby is connected")
        };
        let waiting = store.append(append(&account(1), 1, None));
        let heal = async {
            let waits = |health: &ClusterHealth| {
                let log = health.log.as_ref();
                !health.is_ok() && log.is_some_and(|log| log.waiting_sessions > 0)
            };
            let found = health(&store, waits).await;
            let told = reasons(&found);
            let parts = [
                "appends wait for a synchronous standby: `synchronous_standby_names`",
                cause,
                connected,
                "1 commits wait, for up to",
            ];
            for part in parts {
                assert!(told.contains(part), "`{part}` is missing: {told}");
            }
            pair.on(move |pair| {
                if is_frozen {
                    pair.standby.go_on();
                } else {
                    pair.standby.restart();
                }
            })
            .await;
        };
        let (appended, ()) = tokio::join!(waiting, heal);
        appended.expect("it is appended");
        health(&store, ClusterHealth::is_ok).await;
    }
    drop(store);
    pair.stop().await;
}

/// The address of queries names one standby, and the one of the log both servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_go_on_when_their_standby_takes_over() {
    let test = "queries_go_on_when_their_standby_takes_over";
    let Some(pair) = Pair::start(test).await else {
        return;
    };
    let Pair { primary, standby } = &*pair;
    let deposit = Deposit {
        account: 1,
        cents: 5,
    };
    let mut apps = Vec::new();
    let preferring = both(primary, standby, "?target_session_attrs=prefer-standby");
    for read_url in [standby.url(), &preferring] {
        let store = options().read_url(read_url);
        let store = store.connect(&both(primary, standby, "")).await;
        let builder = quiet(Dispatcher::builder()).module(module());
        let app = builder.store(store.expect("connects")).build().await;
        apps.push(app.expect("builds"));
    }
    let mut cents = 0;
    for app in &apps {
        let receipt = app.execute(deposit.clone()).await.expect("deposits");
        cents += 5;
        let found = app.query(BalanceOf { account: 1 }).after(&receipt).await;
        assert_eq!(found.expect("found").map(|it| it.cents), Some(cents));
    }
    let end = connect(primary.url()).await;
    let end = end
        .query_one("SELECT pg_current_wal_lsn()::text", &[])
        .await;
    let end: String = end.expect("an answer").get(0);
    let replica = connect(standby.url()).await;
    until(|| async {
        let has_it = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn");
        let row = replica.query_one(&has_it, &[]).await;
        row.expect("an answer").get(0)
    })
    .await;
    pair.on(|pair| pair.primary.kill()).await;
    // Without a leader, a query that waits for nothing is answered.
    for app in &apps {
        let found = app.query(BalanceOf { account: 1 }).await;
        assert_eq!(found.expect("found").map(|it| it.cents), Some(cents));
    }
    run(standby.url(), "SELECT pg_promote()").await;
    for app in &apps {
        let receipt = app.execute(deposit.clone()).await.expect("deposits");
        cents += 5;
        let found = app.query(BalanceOf { account: 1 }).after(&receipt);
        let found = found.max_wait(Duration::from_secs(30)).await;
        assert_eq!(found.expect("found").map(|it| it.cents), Some(cents));
    }
    drop(apps);
    pair.stop().await;
}
