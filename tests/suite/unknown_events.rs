//! Events in the log that the program does not have.

use cqrs_conformance::StoreFixture as _;
use cqrs_core::app::Problem;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventData, EventLog, EventType, Store, Tags};
use cqrs_core::{CommandId, Module};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use crate::support::postgres::Schema;

mod plain {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "pot-filled", version = 1)]
    pub struct PotFilled {}
}

mod settled {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "soup-made", version = 1, retired = ["soup-boiled", "soup-stirred"])]
    pub struct SoupMade {}
}

/// A log with events of five types, of which the program has two, and has retired two.
async fn record(log: &dyn EventLog) {
    let types = [
        ("pot-filled", 2),
        ("soup-boiled", 3),
        ("pot-scratched", 1),
        ("soup-made", 1),
        ("soup-stirred", 2),
        ("bowl-broken", 10_001),
    ];
    for (event_type, count) in types {
        let event = EventData {
            event_type: EventType::new(event_type),
            version: 1,
            tags: Tags::default(),
            payload: b"{}".to_vec(),
        };
        let append = Append::new(CommandId::new(), vec![event; count]);
        log.append(append).await.expect("is recorded");
    }
}

async fn warnings(module: Module, store: impl Store) -> Vec<Problem> {
    let builder = Dispatcher::builder().module(module).store(store);
    let app = builder.build().await.expect("builds");
    app.warnings().to_vec()
}

/// An event that another module registers is known, whether or not that is included.
async fn unknown_ones_are_reported(store: impl Store + Clone) {
    assert_eq!(warnings(plain::module(), store.clone()).await, []);
    record(&store).await;
    for module in [plain::module(), settled::module()] {
        let found = warnings(module, store.clone()).await;
        let reports: Vec<String> = found.iter().map(ToString::to_string).collect();
        let expected = [
            "\
the log has 10000 events or more of the type `bowl-broken`, which nothing registers
  = write `use the_crate as _;` for the crate that has it, or `retired = [\"bowl-broken\"]` in the `#[event(..)]` of the event that has replaced it, if nothing needs it any more",
            "\
the log has 1 event of the type `pot-scratched`, which nothing registers
  = write `use the_crate as _;` for the crate that has it, or `retired = [\"pot-scratched\"]` in the `#[event(..)]` of the event that has replaced it, if nothing needs it any more",
        ];
        assert_eq!(reports, expected);
    }
}

#[tokio::test]
async fn unknown_ones_are_reported_on_memory() {
    unknown_ones_are_reported(Memory::new()).await;
}

#[tokio::test]
async fn unknown_ones_are_reported_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let store = Sqlite::open(directory.path().join("log.db")).await;
    unknown_ones_are_reported(store.expect("SQLite opens")).await;
}

#[tokio::test]
async fn unknown_ones_are_reported_on_postgres() {
    const TEST: &str = "unknown_ones_are_reported_on_postgres";
    if let Some(schema) = Schema::fresh(TEST, Postgres::options()) {
        unknown_ones_are_reported(schema.open().await).await;
    }
}
