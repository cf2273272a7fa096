use cqrs_conformance::StoreFixture;
use cqrs_core::Position;
use cqrs_core::store::{AppendError, EventLog, EventQuery, Tag};
use cqrs_postgres::Options;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{assert_have_tenants, assert_migrated, noted};
use crate::support::postgres::Schema;

const FIRST: &str = include_str!("postgres-1.sql");

/// The migrations after the first layout, in order.
const LATER: &[&str] = &[
    include_str!("../../../adapters/postgres/src/sql/migrations/0002_checkpoints.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0003_last_events.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0004_last_append.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0005_durable.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0006_crash_marker.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0007_type_blocks.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0008_rows.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0009_append_at_end.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0010_shards.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0011_tag_leases.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0012_halts.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0013_divisions.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0014_versions.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0015_parked_keys.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0016_skipped_keys.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0017_command_metadata.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0018_head_check.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0019_hashed_tags.sql"),
    include_str!("../../../adapters/postgres/src/sql/migrations/0020_distinct_entries.sql"),
];

/// The version of the current layout.
const NEWEST: usize = LATER.len() + 1;

/// The last version in which processes of the first version can write.
const LAST_OF_FIRST: usize = 7;

/// The last version without custom metadata.
const LAST_WITHOUT_METADATA: usize = 16;

/// Statements of a program of that version.
const WITHOUT_METADATA: &str = include_str!("postgres-16.sql");

/// The last version in which `append_at_end` is not given the types of the events.
const LAST_WITHOUT_TYPES: usize = 18;

/// A statement of a program of that version.
const WITHOUT_TYPES: &str = include_str!("postgres-18.sql");

/// The append of the first version, without its states.
const OLD_APPEND: &str = include_str!("postgres-1-append.sql");

/// Adds these events as a process of the first version does.
fn fill(first: u64, last: u64) -> String {
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
        FROM generate_series({first}, {last}) AS n,
            LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid) AS command (id);
        INSERT INTO cqrs.event_tags
        SELECT 'book:' || n % 100, n FROM generate_series({first}, {last}) AS n
        UNION ALL
        SELECT 'shelf:' || n % 7, n FROM generate_series({first}, {last}) AS n WHERE n % 10 = 0;
        INSERT INTO cqrs.commands
        SELECT lpad(to_hex(n), 32, '0')::uuid, n, n, 1 FROM generate_series({first}, {last}) AS n;
        INSERT INTO cqrs.states VALUES ('shelf', '1', convert_to('{{"books":1}}', 'UTF8'), {last})
        ON CONFLICT (aggregate, id) DO UPDATE SET position = excluded.position;
        INSERT INTO cqrs.checkpoints (subscription, position) VALUES ('projection:shelves:1', {last})
        ON CONFLICT (subscription) DO UPDATE SET position = excluded.position;
        UPDATE cqrs.head SET position = {last}, time = 1700000000000000 + {last};
        "#
    )
}

/// Creates a log in the layout of a version. A process of the first version writes half of its events
/// before the later migrations, and the other half after them.
pub async fn create(client: &Client, schema: &str, version: usize, count: u64) {
    let begin = format!(
        "SET synchronous_commit = off; CREATE SCHEMA {schema}; \
         CREATE TABLE {schema}.migrations (version bigint PRIMARY KEY, applied timestamptz NOT NULL \
         DEFAULT now()); INSERT INTO {schema}.migrations SELECT generate_series(1, {version})"
    );
    let (shared, others) = LATER[..version - 1].split_at(version.min(LAST_OF_FIRST) - 1);
    let scripts = [
        &[begin.as_str(), FIRST, &fill(1, count / 2)],
        shared,
        &[&fill(count / 2 + 1, count)],
        others,
    ];
    for script in scripts.concat() {
        let script = script.replace("cqrs.", &format!("{schema}."));
        client.batch_execute(&script).await.expect("is executed");
    }
}

/// Every `step`th event as people see it.
pub async fn shown(client: &Client, schema: &str, step: i64) -> Vec<String> {
    let select = format!(
        "SELECT (to_jsonb(shown) - 'metadata')::text FROM {schema}.events_json AS shown \
         WHERE position % $1 = 0 ORDER BY position"
    );
    let rows = client.query(&select, &[&step]).await.expect("is shown");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn assert_is_migrated(schema: &Schema, version: usize, count: u64) {
    let client = schema.client().await;
    create(&client, schema.name(), version, count).await;
    let step = (count / 1000).cast_signed();
    let before = shown(&client, schema.name(), step).await;
    let append = OLD_APPEND.replace("cqrs.", &format!("{}.", schema.name()));
    // A process of the first version that is still running.
    let old_append = match version {
        ..=LAST_OF_FIRST => Some(client.prepare(&append).await.expect("is prepared")),
        _ => None,
    };

    let store = schema.open().await;
    let select = format!("SELECT max(version) FROM {}.migrations", schema.name());
    let row = client.query_one(&select, &[]).await.expect("is read");
    let found: i64 = row.get(0);
    assert_eq!(
        usize::try_from(found),
        Ok(NEWEST),
        "the newest migration belongs in `LATER`"
    );
    assert_eq!(shown(&client, schema.name(), step).await, before);
    if let Some(append) = old_append {
        let head = count.cast_signed();
        let outcome = client.query(&append, &[&head, &(head + 1)]).await;
        let error = outcome.expect_err("the layout is another one");
        let message = error.as_db_error().expect("of the server").message();
        assert!(message.contains("column \"tags\""), "{message}");
    }
    assert_migrated(&store, count).await;
}

#[tokio::test]
async fn a_log_in_each_layout_is_migrated() {
    let name = "a_log_in_each_layout_is_migrated";
    for version in 1..NEWEST {
        let Some(schema) = Schema::fresh(name, Options::default()) else {
            return;
        };
        assert_is_migrated(&schema, version, 10_000).await;
    }
}

/// Of two programs, the older one is still running when the other migrates.
#[tokio::test]
async fn a_program_from_before_custom_metadata_goes_on() {
    let name = "a_program_from_before_custom_metadata_goes_on";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    let old = schema.client().await;
    create(&old, schema.name(), LAST_WITHOUT_METADATA, 100).await;
    let named = |text: &str| text.replace("cqrs.", &format!("{}.", schema.name()));
    let prepared = old.batch_execute(&named(WITHOUT_METADATA)).await;
    prepared.expect("are prepared");

    let store = schema.open().await;
    store.append(noted("acme")).await.expect("is appended");
    let read = old.simple_query("EXECUTE old_read (100)").await;
    let rows = read
        .expect("is read")
        .into_iter()
        .filter_map(|it| match it {
            SimpleQueryMessage::Row(row) => row.get("type").map(str::to_owned),
            _ => None,
        });
    assert_eq!(rows.collect::<Vec<_>>(), ["noted"]);
    let append = "EXECUTE old_append (ARRAY[ROW(102, gen_random_uuid(), 'noted', 1, NULL, \
                  1800000000000000, NULL, gen_random_uuid(), NULL, NULL, '{}'::bytea, 'book:1', 7)]\
                  ::cqrs.events[])";
    old.batch_execute(&named(append))
        .await
        .expect("is appended");
    store.append(noted("other")).await.expect("is appended");

    assert_have_tenants(&store, &[Some("acme"), None, Some("other")]).await;
    let select = "SELECT metadata FROM cqrs.events_json WHERE position > 100 ORDER BY position";
    let rows = old.query(&named(select), &[]).await.expect("is shown");
    let shown: Vec<Option<String>> = rows.iter().map(|row| row.get(0)).collect();
    let tenant = |name: &str| Some(format!(r#"{{"tenant":"{name}"}}"#));
    assert_eq!(shown, [tenant("acme"), None, tenant("other")]);
}

/// While the older one is running, both write at the end of the log, and find what the other one has written.
#[tokio::test]
async fn a_program_with_the_earlier_append_at_end_goes_on() {
    let name = "a_program_with_the_earlier_append_at_end_goes_on";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    let old = schema.client().await;
    create(&old, schema.name(), LAST_WITHOUT_TYPES, 100).await;
    let named = |text: &str| text.replace("cqrs.", &format!("{}.", schema.name()));
    let prepared = old.batch_execute(&named(WITHOUT_TYPES)).await;
    prepared.expect("is prepared");

    let store = schema.open().await;
    store.append(noted("acme")).await.expect("is appended");
    let mut outcomes = Vec::new();
    for tag in ["book:1", "book:102"] {
        let execute = format!("EXECUTE old_append_at_end (100, '{tag}')");
        for message in old.simple_query(&execute).await.expect("is executed") {
            if let SimpleQueryMessage::Row(row) = message {
                outcomes.push([0, 1].map(|column| row.get(column).map(str::to_owned)));
            }
        }
    }
    let outcome = |left_out: &str| [Some(left_out.to_owned()), Some("{book:1}".to_owned())];
    assert_eq!(outcomes, [outcome("{1}"), outcome("{}")]);

    let after = Position::new(101);
    let query = |tag: &str| EventQuery::tagged(Tag::from(tag));
    let refused = noted("late").unless(query("book:102"), after);
    let refused = store.append(refused).await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { .. })),
        "{refused:?}"
    );
    let written = noted("other").unless(query("book:1"), after);
    store.append(written).await.expect("is appended");
    assert_have_tenants(&store, &[Some("acme"), None, Some("other")]).await;
}

/// `psql` continues after an error, with the next transaction.
#[tokio::test]
async fn a_script_with_a_migration_that_fails_applies_no_later_one() {
    let name = "a_script_with_a_migration_that_fails_applies_no_later_one";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    let client = schema.client().await;
    create(&client, schema.name(), 5, 1_000).await;
    let obstacle = format!("{}.crash_marker", schema.name());
    let obstruct = format!("CREATE TABLE {obstacle} (id int)");
    client.batch_execute(&obstruct).await.expect("is created");
    let script = schema.options().migrations().expect("a script");
    let mut failures = 0;
    for transaction in script.split_inclusive("COMMIT;") {
        if client.batch_execute(transaction).await.is_err() {
            failures += 1;
            client.batch_execute("ROLLBACK").await.expect("is undone");
        }
    }
    assert_eq!(failures, 1);
    let options = schema.options().migrate(false);
    let refused = options.clone().connect(schema.url()).await;
    let error = refused.expect_err("the tables are older").to_string();
    assert!(error.contains("has version 5, this program"), "{error}");

    let remove = format!("DROP TABLE {obstacle}");
    client.batch_execute(&remove).await.expect("is dropped");
    client.batch_execute(&script).await.expect("is executed");
    let store = options.connect(schema.url()).await.expect("connects");
    assert_migrated(&store, 1_000).await;
}

#[tokio::test]
async fn a_million_events_are_migrated() {
    let name = "a_million_events_are_migrated";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    assert_is_migrated(&schema, 1, 1_000_000).await;
}
