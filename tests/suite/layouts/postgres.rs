use cqrs_conformance::StoreFixture;
use cqrs_postgres::Options;
use tokio_postgres::Client;

use super::assert_migrated;
use crate::support::postgres::Schema;

/// The first layout that has a fixture, and the migrations after it, in order.
const FIRST: usize = 3;
const FIXTURE: &str = include_str!("postgres-3.sql");
const LATER: &[&str] = &[
    include_str!("../../../adapters/postgres/src/sql/migrations/0004_last_append.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0005_durable.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0006_crash_marker.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0007_type_blocks.sql"),
];

/// The append of the first version that has a fixture, without its states.
const OLD_APPEND: &str = include_str!("postgres-3-append.sql");

/// Fills a log in a layout before the first tag was in `events`.
fn fill(count: u64) -> String {
    format!(
        r#"
        INSERT INTO cqrs.events
        SELECT
            n, md5('event' || n)::uuid,
            CASE WHEN n % 5000 = 0 THEN 'rare' WHEN n % 3 = 0 THEN 'opened' ELSE 'noted' END, 1,
            CASE
                WHEN n % 10 = 0 THEN format('["book:%s","shelf:%s"]', n % 100, n % 7)
                ELSE format('["book:%s"]', n % 100)
            END,
            1700000000000000 + n, 'actor', id, id, id, convert_to(format('{{"number":%s}}', n), 'UTF8')
        FROM generate_series(1, {count}) AS n,
            LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid) AS command (id);
        INSERT INTO cqrs.event_tags
        SELECT 'book:' || n % 100, n FROM generate_series(1, {count}) AS n
        UNION ALL
        SELECT 'shelf:' || n % 7, n FROM generate_series(10, {count}, 10) AS n;
        INSERT INTO cqrs.commands
        SELECT lpad(to_hex(n), 32, '0')::uuid, n, n, 1 FROM generate_series(1, {count}) AS n;
        UPDATE cqrs.head SET position = {count}, time = 1700000000000000 + {count}
        "#
    )
}

/// Makes a log in this layout.
async fn make(schema: &Schema, version: usize, count: u64) -> Client {
    let client = schema.client().await;
    let name = schema.name();
    let begin = format!(
        "SET synchronous_commit = off; CREATE SCHEMA {name}; \
         CREATE TABLE {name}.migrations (version bigint PRIMARY KEY, applied timestamptz NOT NULL \
         DEFAULT now()); INSERT INTO {name}.migrations SELECT generate_series(1, {version})"
    );
    let mut scripts = vec![begin, FIXTURE.to_owned()];
    let later = LATER.iter().take(version - FIRST);
    scripts.extend(later.map(|script| (*script).to_owned()));
    scripts.push(fill(count));
    for script in scripts {
        let script = script.replace("cqrs.", &format!("{name}."));
        client.batch_execute(&script).await.expect("is executed");
    }
    client
}

/// Every `step`th event as people see it.
async fn shown(client: &Client, schema: &Schema, step: i64) -> Vec<String> {
    let select = format!(
        "SELECT row_to_json(shown)::text FROM {}.events_json AS shown WHERE position % $1 = 0 \
         ORDER BY position",
        schema.name()
    );
    let rows = client.query(&select, &[&step]).await.expect("is shown");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn assert_is_migrated(schema: &Schema, version: usize, count: u64) {
    let client = make(schema, version, count).await;
    let step = (count / 1000).cast_signed();
    let before = shown(&client, schema, step).await;
    let append = OLD_APPEND.replace("cqrs.", &format!("{}.", schema.name()));
    let append = client.prepare(&append).await.expect("is prepared");

    let store = schema.open().await;
    assert_eq!(shown(&client, schema, step).await, before);
    // A process of the earlier version that is still running.
    let head = count.cast_signed();
    let outcome = client.query(&append, &[&head, &(head + 1)]).await;
    let error = outcome.expect_err("the layout is another one");
    let message = error.as_db_error().expect("of the server").message();
    assert!(message.contains("column \"tags\""), "{message}");
    assert_migrated(&store, count).await;
}

#[tokio::test]
async fn a_log_of_each_layout_is_migrated() {
    let name = "a_log_of_each_layout_is_migrated";
    for version in FIRST..=FIRST + LATER.len() {
        let Some(schema) = Schema::fresh(name, Options::default()) else {
            return;
        };
        assert_is_migrated(&schema, version, 10_000).await;
    }
}

#[tokio::test]
async fn a_million_events_are_migrated() {
    let name = "a_million_events_are_migrated";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    assert_is_migrated(&schema, FIRST, 1_000_000).await;
}
