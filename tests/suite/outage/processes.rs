//! Processes that are killed while they write to one database.

use std::path::Path;

use cqrs_conformance::StoreFixture;
use cqrs_core::store::EventLogExt;
use cqrs_postgres::Postgres;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::crash::ledger::Ledger;
use crate::crash::process::Writer;
use crate::support::postgres::Schema;

/// The server carries out what a process had sent when it was killed, and nobody is told.
async fn wait_for_backends(client: &Client, schema: &Schema) {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    let name = schema.name();
    super::until(|| async {
        let row = client.query_one(count, &[&name]).await.expect("a count");
        row.get::<_, i64>(0) == 0
    })
    .await;
}

/// I1, I3, I6, I7, I9: of four processes with six writers each, one is killed after another, and
/// another takes its place; events, states, read model and command ids agree.
#[test]
fn killed_processes_leave_nothing_half_done() {
    const TEST: &str = "killed_processes_leave_nothing_half_done";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let mut random = super::random(TEST);
    let runtime = Runtime::new().expect("a runtime");
    let client = runtime.block_on(schema.client());
    let mut ledger = Ledger::default();
    let start = || Writer::start(Path::new(schema.url()), schema.name(), |command| command);
    for _ in 0..2 {
        let mut writers: Vec<_> = (0..4).map(|_| start()).collect();
        for _ in 0..6 {
            let writer = writers.swap_remove(random.usize(..writers.len()));
            // Sometimes while it opens the database, mostly in the middle of everything.
            let most = if random.u8(..6) == 0 { 3 } else { 120 };
            ledger.note(writer.listen(random.usize(1..most)));
            ledger.note(writer.kill());
            writers.push(start());
        }
        for writer in writers {
            ledger.note(writer.kill());
        }
        runtime.block_on(async {
            wait_for_backends(&client, &schema).await;
            let store = schema.open().await;
            ledger.compare(&store).await;
            let tables = format!(
                "SELECT count(*), count(tag) + (SELECT count(*) FROM {0}.event_tags), \
                 (SELECT sum(count)::bigint FROM {0}.commands), \
                 (SELECT count(*) FROM {0}.commands) FROM {0}.events",
                schema.name()
            );
            let row = client.query_one(&tables, &[]).await.expect("counts");
            let counts = [0, 1, 2, 3].map(|column| row.get::<_, i64>(column).cast_unsigned());
            let head = store.head().await.expect("a head").get();
            let commands = ledger.acknowledged() as u64;
            assert_eq!(counts, [head, 2 * head, head, commands], "tables agree");
        });
    }
    let (done, unanswered) = (ledger.acknowledged(), ledger.unanswered);
    println!("{TEST}: {done} commands; {unanswered} done whose answer was lost");
    assert!(done > 50, "the writers hardly wrote: {done} commands");
}
