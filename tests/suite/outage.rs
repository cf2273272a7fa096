//! What happens to appends, reads and subscriptions when the database misbehaves.

pub mod history;
mod in_flight;
mod load;
mod lost;
#[cfg(unix)]
mod processes;
pub mod proxy;
pub mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cqrs_conformance::StoreFixture;
use cqrs_postgres::{Options, Postgres};
use fastrand::Rng;
use test_postgres::Server;
use tokio_postgres::{Client, NoTls};

use self::history::{Counts, audit};
use self::load::Load;
use self::proxy::{Cutting, Proxy};
use crate::support::postgres::Schema;

/// How long something goes wrong, at most.
const TIME: Duration = Duration::from_secs(4);

/// How long anything takes at most, once nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks again and again what the server does not tell by itself.
pub async fn until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it is never so");
    }
}

/// Its seed is printed, to be put here when a test has failed.
pub fn random(test: &str) -> Rng {
    let seed = Rng::new().u64(..);
    println!("{test}: the seed is {seed}");
    Rng::with_seed(seed)
}

/// Stores that differ in what they have room and time for, so that every answer occurs.
async fn stores(count: usize, options: &Options, url: &str) -> Vec<Postgres> {
    let mut stores = Vec::new();
    for index in 0..count {
        let options = match index % 4 {
            0 => options.clone(),
            1 => options.clone().retry_timeout(Duration::from_millis(60)),
            2 => options.clone().window(8).max_batch(3),
            _ => options.clone().queue(2),
        };
        let deadline = Instant::now() + PATIENCE;
        // Whatever is between may well cut this one off, too.
        let store = loop {
            match options.clone().pool_size(3).connect(url).await {
                Ok(store) => break store,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        };
        stores.push(store);
    }
    stores
}

/// Ends a load and checks everything.
async fn check(test: &str, load: Load, whole: &Postgres, client: &Client, schema: &str) -> Counts {
    let (sent, log) = load.finish(whole).await;
    let counts = audit(&sent, &log, whole, client, schema).await;
    println!("{test}: {counts:?}, {} events", log.len());
    counts
}

/// Backends of the stores are ended by `pg_terminate_backend`, at random, in the middle of
/// whatever they do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_are_terminated() {
    const TEST: &str = "backends_are_terminated";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let mut random = random(TEST);
    let (client, whole) = (schema.client().await, schema.open().await);
    let name = schema.name();
    let options = schema.options().application_name(name);
    let stores = stores(2, &options, schema.url()).await;
    // So many that batches are in flight behind others.
    let load = Load::start(&stores, 24, &mut random);
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE application_name = $1 ORDER BY state = 'active' DESC, random() LIMIT $2";
    let (mut terminated, end) = (0, Instant::now() + TIME);
    while terminated < 30 || (terminated < 300 && Instant::now() < end) {
        load.progress(random.usize(..12)).await;
        let most = i64::from(random.u8(1..4));
        let rows = client.query(terminate, &[&name, &most]).await;
        terminated += rows.expect("it can be asked for").len();
    }
    let counts = check(TEST, load, &whole, &client, name).await;
    println!("{TEST}: {terminated} terminated");
    assert!(counts.done > 30, "the writers hardly wrote: {counts:?}");
}

/// The server is killed and comes back, several times: whatever it has acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_killed() {
    const TEST: &str = "the_server_is_killed";
    let Some(server) = Server::private(TEST).map(Arc::new) else {
        return;
    };
    let mut random = random(TEST);
    let stores = stores(3, &Postgres::options(), server.url()).await;
    let load = Load::start(&stores, 24, &mut random);
    for _ in 0..4 {
        load.progress(random.usize(30..150)).await;
        for step in [Server::kill, Server::restart] {
            let server = server.clone();
            let done = tokio::task::spawn_blocking(move || step(&server));
            done.await.expect("the server is killed and restarted");
        }
    }
    load.progress(30).await;
    let whole = Postgres::connect(server.url()).await.expect("it is back");
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls)
        .await
        .expect("it is back");
    let connection = tokio::spawn(connection);
    let counts = check(TEST, load, &whole, &client, "cqrs").await;
    assert!(counts.done >= 150, "the writers hardly wrote: {counts:?}");
    drop(client);
    let _ = connection.await;
}

/// Every connection is cut somewhere: in the middle of a message, or between a commit and its
/// answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_cut() {
    const TEST: &str = "connections_are_cut";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let mut random = random(TEST);
    let (client, whole) = (schema.client().await, schema.open().await);
    let cutting = Arc::new(Cutting::default());
    let proxy = Proxy::cutting(schema.url(), &mut random, cutting.clone()).await;
    let url = proxy.url(schema.url());
    let stores = stores(4, &schema.options(), &url).await;
    let load = Load::start(&stores, 20, &mut random);
    let end = Instant::now() + TIME;
    let cuts = || cutting.cuts.load(Ordering::Relaxed);
    while cuts() < 50 || Instant::now() < end {
        load.progress(20).await;
    }
    cutting.calm.store(true, Ordering::Relaxed);
    let counts = check(TEST, load, &whole, &client, schema.name()).await;
    println!("{TEST}: {} cuts", cuts());
    assert!(counts.done > 20, "the writers hardly wrote: {counts:?}");
}

/// I4: a transaction that stays open holds nothing up, and no event appears below a position that
/// was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_stays_open() {
    const TEST: &str = "a_transaction_stays_open";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let mut random = random(TEST);
    let (client, whole) = (schema.client().await, schema.open().await);
    let open = schema.foreign_transaction().await.expect("a transaction");
    let stores = stores(4, &schema.options(), schema.url()).await;
    let load = Load::start(&stores, 2, &mut random);
    let end = Instant::now() + TIME;
    while load.done() < 100 || (load.done() < 3000 && Instant::now() < end) {
        load.progress(50).await;
    }
    let counts = check(TEST, load, &whole, &client, schema.name()).await;
    assert_eq!(counts.unknown, 0, "nothing was lost");
    assert!(counts.done >= 100, "the writers hardly wrote: {counts:?}");
    drop(open);
}
