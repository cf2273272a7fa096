use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::{Epoch, EventLogExt, ShardStore, WorkerId};
use cqrs_core::{Dispatcher, HeldPermissions};
use cqrs_sqlite::Sqlite;
use cqrs_sqlite::rusqlite::Connection;
use example_catalog::{Notifier, ProductId};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::interrupted;
use crate::program::Program;

#[test]
fn status_shows_projections_and_reactions() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let table = program.ok(&["status"]);
    let mut lines = table.lines();
    let headings = lines.next().unwrap_or_default();
    assert!(headings.contains("NAME"), "{table}");
    assert!(headings.contains("LAG"), "{table}");
    for name in ["product-cards", "statistics", "price-history"] {
        let line = table.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("`{name}` is missing:\n{table}"));
        assert!(!line.contains("failing"), "{line}");
    }
}

#[test]
fn status_needs_a_catalog() {
    let program = Program::new();
    program
        .run(&["--store", "other.db", "status"])
        .fails(3, "no store `other.db`");
}

/// Notices that nobody reads.
struct Silence;

impl Notifier for Silence {
    fn low_stock(&self, _: &ProductId, _: u32) {}
}

/// The owner and the epoch of each shard.
async fn owners(store: &Sqlite) -> Vec<(Option<WorkerId>, Epoch)> {
    let mut all = Vec::new();
    for name in ["product-cards:2", "statistics:3", "price-history:1"] {
        let shards = ShardStore::shards(store, format!("projection:{name}")).await;
        let shards = shards.expect("shards").into_iter();
        all.extend(shards.map(|state| (state.owner, state.epoch)));
    }
    all
}

/// A process that has read nothing shows where others are, and leaves the events to them.
#[test]
fn status_shows_what_a_running_process_has_handled_and_takes_over_nothing() {
    let program = Program::new();
    program.write("lines", &interrupted::lines());
    program.ok(&["import", "lines"]);
    let runtime = Runtime::new().expect("a runtime");
    let (running, store, head) = runtime.block_on(async {
        let store = Sqlite::open(program.path("catalog.db")).await;
        let store = store.expect("SQLite opens");
        let builder = Dispatcher::builder()
            .module(example_catalog::module())
            .authorizer(HeldPermissions)
            .provide::<dyn Notifier>(Arc::new(Silence));
        let running = builder.store(store.clone()).build().await;
        let running = running.expect("builds");
        let rest = running.wait_until_idle(Duration::from_secs(60)).await;
        rest.expect("comes to rest");
        let head = store.head().await.expect("a head");
        (running, store, head)
    });
    let claimed = runtime.block_on(async {
        loop {
            let owners = owners(&store).await;
            if owners.len() == 3 && owners.iter().all(|(owner, _)| owner.is_some()) {
                return owners;
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    let database = Connection::open(program.path("catalog.db")).expect("SQLite opens");
    let count_attending = || {
        let count = "SELECT count(*) FROM workers";
        database.query_row(count, [], |row| row.get::<_, u32>(0))
    };
    let mut command = program.command(["status", "--once"]);
    let mut status = command.stdout(Stdio::piped()).spawn().expect("it runs");
    // Whoever attends is given shards, sooner or later.
    while status.try_wait().expect("it runs").is_none() {
        assert_eq!(count_attending().expect("a number"), 1);
    }
    let shown = status.wait_with_output().expect("it has ended").stdout;
    let table = String::from_utf8(shown).expect("UTF-8");
    for name in ["product-cards", "statistics", "price-history"] {
        let line = table.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("`{name}` is missing:\n{table}"));
        let position = head.to_string();
        assert!(line.split_whitespace().any(|it| it == position), "{line}");
    }
    assert_eq!(runtime.block_on(owners(&store)), claimed);
    let ended = runtime.block_on(running.shutdown(Duration::from_secs(60)));
    ended.expect("it ends");
}
