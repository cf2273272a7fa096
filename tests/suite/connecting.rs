//! Connecting to PostgreSQL: refused settings and their errors, options at their limits, several
//! first starts at once, and notifications of those who have nothing to say.

use std::error::Error;
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::Position;
use cqrs_core::store::{
    Epoch, EventLog, EventLogExt, EventQuery, HasReader as _, LogTransaction as _, ReadRange,
    Shard, Transactional as _, ViewBatch, ViewStore,
};
use cqrs_postgres::{ConnectError, Options, Postgres};
use test_postgres::Server;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;
use tokio_postgres::NoTls;

use crate::outage::until;
use crate::outage::writer::{account, append};
use crate::support::postgres::Schema;
use crate::support::race;
use crate::support::transacting::append_in;

#[tokio::test]
async fn a_database_that_is_not_utf8_is_refused() {
    let server = spawn_blocking(|| Server::private("a_database_that_is_not_utf8_is_refused"));
    let Some(server) = server.await.expect("it starts") else {
        return;
    };
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls)
        .await
        .expect("connects");
    tokio::spawn(connection);
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = encoding.to_lowercase();
        let create =
            format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        client.batch_execute(&create).await.expect("it is made");
        let url = server.url().replacen("/postgres", &format!("/{name}"), 2);
        let url = url.replacen(&format!("//{name}"), "//postgres", 1);
        let url = url.replace(&format!("{name}@"), "postgres@");
        let refused = Postgres::connect(&url).await.expect_err("it is refused");
        assert!(
            matches!(refused, ConnectError::Encoding { .. }),
            "{refused:?}"
        );
        let text = refused.to_string();
        let advice = "`CREATE DATABASE .. ENCODING 'UTF8' TEMPLATE template0`";
        assert!(text.contains(encoding) && text.contains(advice), "{text}");
    }
    drop(client);
}

/// Each is what the database, or the role, may have as its default.
const LEVELS: [&str; 3] = ["read%20committed", "repeatable%20read", "serializable"];

fn with_level(url: &str, level: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    let level = level.replace("%20", "%5C%20");
    format!("{url}{separator}options=-c%20default_transaction_isolation%3D{level}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_starts_at_once_succeed_at_every_isolation_level() {
    for level in LEVELS {
        let test = "first_starts_at_once_succeed_at_every_isolation_level";
        let Some(schema) = Schema::fresh(test, Postgres::options().pool_size(2)) else {
            return;
        };
        let url = with_level(schema.url(), level);
        let (client, connection) = tokio_postgres::connect(&url, NoTls)
            .await
            .expect("connects");
        tokio::spawn(connection);
        let shown = client
            .query_one("SHOW default_transaction_isolation", &[])
            .await;
        let shown: String = shown.expect("a level").get(0);
        assert_eq!(shown, level.replace("%20", " "));
        let stores = race(6, |_| {
            let (options, url) = (schema.options(), url.clone());
            async move { options.connect(&url).await.expect("connects") }
        })
        .await;
        // And they write at once, with batches, in transactions and read models.
        let first = stores[0].clone();
        race(6, |number| {
            let store = stores[number].clone();
            async move {
                for _ in 0..10 {
                    let appended = store.append(append(&account(number), 1, None)).await;
                    appended.expect("it is appended");
                    let appended = append_in(&store, append(&account(number), 1, None)).await;
                    appended.expect("it is appended");
                }
                let subscription = format!("projection:{number}");
                for to in 1..10 {
                    let from = Some(to - 1).filter(|from| *from > 0);
                    let batch = ViewBatch {
                        shard: Shard::whole(&*subscription),
                        epoch: Epoch::UNCLAIMED,
                        from: from.map(Position::new),
                        to: Position::new(to).into(),
                        incarnation: store.heads().incarnation(),
                        changes: Vec::new(),
                        parked: Vec::new(),
                    };
                    store.commit(batch).await.expect("it is committed");
                }
            }
        })
        .await;
        let head = first.head().await.expect("a head");
        assert_eq!(head.get(), 120, "{level}");
    }
}

/// Anybody who may connect can notify.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_is_a_hint_and_not_a_fact() {
    let test = "a_notification_is_a_hint_and_not_a_fact";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let (store, other) = (schema.open().await, schema.open().await);
    let client = schema.client().await;
    let hash = xxhash_rust::xxh3::xxh3_64(schema.name().as_bytes());
    let notify = format!("SELECT pg_notify('cqrs_{hash:016x}', $1)");
    let first = other.append(append(&account(1), 1, None)).await;
    let first = first.expect("it is appended").last;
    // One that is right makes the head known, without a read.
    let heard = tokio::time::timeout(Duration::from_secs(15), store.heads().reached(first));
    assert_eq!(heard.await.expect("it is heard"), first);
    let long = "9".repeat(7000);
    for text in [
        "18446744073709551615",
        "9223372036854775807",
        "1000",
        "-1",
        "",
        "x",
        &long,
    ] {
        client.query(&notify, &[&text]).await.expect("it is sent");
    }
    let flood = format!(
        "SELECT pg_notify('cqrs_{hash:016x}', n::text) FROM generate_series(1000, 20000) AS n"
    );
    client.batch_execute(&flood).await.expect("it is sent");
    // Among them, what is true is still heard, and nothing else.
    let mut last = first;
    for _ in 0..20 {
        let appended = other.append(append(&account(1), 1, None)).await;
        last = appended.expect("it is appended").last;
        until(|| async {
            let known = store.heads().position();
            assert!(known <= last, "{known} is beyond the log");
            known == last
        })
        .await;
    }
    let decided = append(&account(1), 1, Some(last));
    store.append(decided).await.expect("nothing is in the way");
    assert_eq!(store.head().await.expect("a head"), last.plus(1));
}

/// Does everything that a store does, once.
async fn works(options: Options, schema: &Schema) {
    let shown = format!("{options:?}");
    let store = options.connect(schema.url()).await;
    let store = store.unwrap_or_else(|error| panic!("{shown}: {error}"));
    // Boxed, since everything that a store does is in it.
    let check = Box::pin(async {
        for _ in 0..2 {
            let appended = store.append(append(&account(1), 2, None)).await;
            let last = appended.expect("it is appended").last;
            append_in(&store, append(&account(2), 1, Some(last))).await?;
        }
        let range = ReadRange {
            limit: usize::MAX,
            ..ReadRange::after(Position::START)
        };
        let page = store.read(EventQuery::All, range).await;
        assert!(page.expect("it is read").events.len() >= 6);
        let row = store.reader();
        let row = row.query_one("SELECT 1", &[]).await;
        assert_eq!(row.expect("a row").get::<_, i32>(0), 1);
        let transaction = store.begin().await.expect("it begins");
        transaction
            .batch_execute("SELECT 1")
            .await
            .expect("it runs");
        transaction.append(append(&account(3), 1, None)).await
    });
    let checked = tokio::time::timeout(Duration::from_secs(30), check).await;
    let checked = checked.unwrap_or_else(|_| panic!("{shown}: it does not end"));
    checked.unwrap_or_else(|error| panic!("{shown}: {error}"));
}

/// Runtimes that lack timers, I/O, and both.
fn poor_runtimes() -> [Runtime; 3] {
    let build = |enable: fn(&mut Builder) -> &mut Builder| {
        let built = enable(&mut Builder::new_current_thread()).build();
        built.expect("a runtime")
    };
    [
        build(Builder::enable_io),
        build(Builder::enable_time),
        build(|builder| builder),
    ]
}

#[test]
fn a_runtime_without_timers_or_io_is_refused() {
    let test = "a_runtime_without_timers_or_io_is_refused";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    for runtime in poor_runtimes() {
        let refused = runtime.block_on(schema.options().connect(schema.url()));
        let refused = refused.expect_err("it is refused");
        assert!(
            matches!(refused, ConnectError::Runtime { .. }),
            "{refused:?}"
        );
        let message = refused.to_string();
        assert!(message.contains("`enable_all`"), "{message}");
    }
}

/// A store that was connected on another one.
#[test]
fn a_call_on_a_runtime_without_timers_or_io_fails() {
    let test = "a_call_on_a_runtime_without_timers_or_io_fails";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let runtime = Runtime::new().expect("a runtime");
    let store = runtime.block_on(schema.open());
    let read = async || {
        store
            .read(EventQuery::All, ReadRange::after(Position::START))
            .await
    };
    for poor in poor_runtimes() {
        let failed = poor.block_on(read()).expect_err("it needs the runtime");
        let message = failed.to_string();
        assert!(message.contains("with I/O and timers"), "{message}");
    }
    runtime.block_on(read()).expect("is read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_at_their_limits_mean_what_they_say() {
    let test = "options_at_their_limits_mean_what_they_say";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let numbers: [fn(Options, usize) -> Options; 4] = [
        Options::pool_size,
        Options::queue,
        Options::window,
        Options::max_batch,
    ];
    for set in numbers {
        for number in [0, 1, usize::MAX / 2, usize::MAX] {
            works(set(schema.options(), number), &schema).await;
        }
    }
    for timeout in [Duration::ZERO, Duration::from_secs(1 << 40), Duration::MAX] {
        works(schema.options().statement_timeout(timeout), &schema).await;
    }
    let times = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
    for timeout in times {
        works(schema.options().retry_timeout(timeout), &schema).await;
    }
    // One nanosecond is short, and not no limit.
    let store = schema.options().statement_timeout(Duration::from_nanos(1));
    match store.connect(schema.url()).await {
        Ok(store) => {
            let row = store.reader();
            let slept = row.query("SELECT pg_sleep(1)", &[]).await;
            slept.expect_err("it takes longer than a millisecond");
        }
        Err(error) => assert!(error.to_string().contains("timeout"), "{error}"),
    }
    // A queue that has room for one, and a store that is away for ever, still say so.
    let away = schema.options().retry_timeout(Duration::ZERO);
    let refused = away.connect("postgres://nobody@127.0.0.1:1/none").await;
    assert!(
        matches!(refused, Err(ConnectError::Unreachable { .. })),
        "{refused:?}"
    );
}

const SECRET: &str = "hunter2";

/// Everything that it says of itself, and its causes.
fn said(error: &(dyn Error + 'static)) -> String {
    let said = format!("{error:?} {error:#?} {error}");
    match error.source() {
        Some(cause) => said + " " + &self::said(cause),
        None => said,
    }
}

#[tokio::test]
async fn no_password_is_in_what_is_printed() {
    let urls = [
        "postgres://user:hunter2@127.0.0.1:1/shop",
        "postgres://user:hunter2@127.0.0.1:hunter2/shop",
        "postgres://user:1@hunter2/shop:x?a",
        "postgres://user:x/hunter2@127.0.0.1/shop",
        "postgres://user:x#hunter2@127.0.0.1/shop",
        "postgres://user:hunter2@127.0.0.1/shop?hunter2=hunter2",
        "postgres://user:hunter2@127.0.0.1/shop?sslmode=hunter2",
        "postgres://user:hunter2@127.0.0.1/shop?connect_timeout=hunter2",
        "postgres://user:%ffhunter2@127.0.0.1/shop",
        "Postgres://user:hunter2@127.0.0.1/shop",
        "host=127.0.0.1 port=1 user=user password=hunter2",
        "host=127.0.0.1 port=1 user=user password=correct hunter2",
        "host=127.0.0.1 port=1 user=user password='hunter2",
        "hunter2",
    ];
    for url in urls {
        let options = Postgres::options()
            .read_url(url)
            .retry_timeout(Duration::from_millis(1));
        let shown = format!("{options:?} {options:#?}");
        assert!(!shown.contains(SECRET), "{shown}");
        let refused = options.connect(url).await.expect_err("there is no server");
        let said = said(&refused);
        assert!(!said.contains(SECRET), "{url}: {said}");
    }
    let error = Postgres::connect("postgres://u@h/d?sslmode=hunter2").await;
    let text = error.expect_err("it is refused").to_string();
    assert!(text.contains("`sslmode`"), "which option is wrong: {text}");
    let Some(schema) = Schema::fresh("no_password_is_in_what_is_printed", Postgres::options())
    else {
        return;
    };
    let url = schema.url().replacen('@', ":hunter2@", 1);
    let options = schema.options().read_url(&url);
    let store = options.connect(&url).await.expect("connects");
    let shown = format!("{store:?} {store:#?}");
    assert!(!shown.contains(SECRET), "{shown}");
    let reader = store.reader();
    let error = reader.query("SELECT nothing", &[]).await;
    let said = said(&error.expect_err("there is no such column"));
    assert!(!said.contains(SECRET), "{said}");
}
