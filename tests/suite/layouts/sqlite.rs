use std::path::Path;

use cqrs_core::store::EventLog;
use cqrs_sqlite::Sqlite;
use rusqlite::Connection;

use super::{assert_have_tenants, assert_migrated, noted};

const FIRST: &str = include_str!("sqlite-1.sql");

/// The migrations after the first layout, in order.
const LATER: &[&str] = &[
    include_str!("../../../adapters/sqlite/src/sql/migrations/0002_last_events.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0003_rows.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0004_resent.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0005_shards.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0006_halts.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0007_divisions.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0008_versions.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0009_parked_keys.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0010_skipped_keys.sql"),
    include_str!("../../../adapters/sqlite/src/sql/migrations/0011_metadata.sql"),
];

/// The version of the current layout.
pub const NEWEST: usize = LATER.len() + 1;

/// The last version in which processes of the first version can write.
const LAST_OF_FIRST: usize = 2;

/// The last version without custom metadata.
const LAST_WITHOUT_METADATA: usize = 10;

/// Fills a database in the first layout.
fn fill(count: u64) -> String {
    format!(
        r#"
        PRAGMA application_id = 0x63717273;
        INSERT INTO meta (key, value) VALUES ('store_id', randomblob(16));
        CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY, id BLOB);
        WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
        INSERT INTO numbers SELECT n, unhex(printf('%032x', n)) FROM number;
        INSERT INTO events
        SELECT
            n, randomblob(16),
            CASE WHEN n % 5000 = 0 THEN 'rare' WHEN n % 3 = 0 THEN 'opened' ELSE 'noted' END, 1,
            CASE
                WHEN n % 10 = 0 THEN printf('["book:%d","shelf:%d"]', n % 100, n % 7)
                ELSE printf('["book:%d"]', n % 100)
            END,
            1700000000000000 + n, 'actor', id, id, id,
            CAST(printf('{{"number":%d}}', n) AS BLOB)
        FROM numbers;
        INSERT INTO event_tags
        SELECT tag, n
        FROM (
            SELECT 'book:' || (n % 100) AS tag, n FROM numbers
            UNION ALL
            SELECT 'shelf:' || (n % 7), n FROM numbers WHERE n % 10 = 0
        )
        ORDER BY tag, n;
        INSERT INTO commands SELECT id, n, n, 1 FROM numbers;
        INSERT INTO states VALUES ('shelf', '1', CAST('{{"books":1}}' AS BLOB), {count});
        INSERT INTO checkpoints VALUES ('projection:shelves:1', {count});
        "#
    )
}

/// Creates a database in the layout of a version.
pub fn create(path: &Path, version: usize, count: u64) -> Connection {
    let connection = Connection::open(path).expect("SQLite opens");
    let later = LATER[..version - 1].concat();
    let script = format!(
        "BEGIN; {FIRST}; {} {later}; PRAGMA user_version = {version}; COMMIT;",
        fill(count)
    );
    connection.execute_batch(&script).expect("is executed");
    connection
}

/// Every `step`th event as people see it.
pub fn shown(connection: &Connection, step: i64) -> Vec<Vec<Option<String>>> {
    let select = "SELECT CAST(position AS TEXT), type, tags, time, actor, id, command, correlation, \
                  causation, payload FROM events_json WHERE position % ?1 = 0 ORDER BY position";
    let mut select = connection.prepare(select).expect("is prepared");
    let rows = select.query_map([step], |row| (0..10).map(|place| row.get(place)).collect());
    rows.expect("is shown")
        .map(|row| row.expect("a row"))
        .collect()
}

async fn assert_is_migrated(version: usize, count: u64) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let connection = create(&path, version, count);
    let step = (count / 1000).cast_signed();
    let before = shown(&connection, step);
    let insert = "INSERT INTO events (position, id, type, version, tags, time, actor, command, \
                  correlation, causation, payload) VALUES (?1, x'', '', 1, '', 0, '', x'', x'', \
                  x'', x'')";
    // A process of the first version that is still running.
    let old_insert = match version {
        ..=LAST_OF_FIRST => Some(connection.prepare(insert).expect("is prepared")),
        _ => None,
    };

    let store = Sqlite::open(&path).await.expect("is migrated");
    if let Some(mut old_insert) = old_insert {
        let refused = old_insert
            .execute([count.cast_signed() + 1])
            .expect_err("the layout is another one");
        let message = refused.to_string();
        assert!(message.contains("no column named tags"), "{message}");
    }
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("is read");
    assert_eq!(
        usize::try_from(found),
        Ok(NEWEST),
        "the newest migration belongs in `LATER`"
    );
    assert_eq!(shown(&connection, step), before);
    assert_migrated(&store, count).await;
}

#[tokio::test]
async fn a_database_in_each_layout_is_migrated() {
    for version in 1..NEWEST {
        assert_is_migrated(version, 10_000).await;
    }
}

#[tokio::test]
async fn a_million_events_are_migrated() {
    assert_is_migrated(1, 1_000_000).await;
}

/// Of two programs, the older one still has the file open when the other migrates.
#[tokio::test]
async fn a_program_from_before_custom_metadata_goes_on() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let old = create(&path, LAST_WITHOUT_METADATA, 100);
    let insert = "INSERT INTO events (position, id, type, version, all_tags, time, actor, command, \
                  correlation, causation, payload, tag, fingerprint) VALUES (?1, randomblob(16), \
                  'noted', 1, '', 1800000000000000, NULL, randomblob(16), x'', x'', x'7b7d', 'book:1', 7)";
    let select = "SELECT position, id, type, version, all_tags, time, actor, command, correlation, \
                  causation, payload, tag FROM events WHERE position > ?1 ORDER BY position";
    let mut old_insert = old.prepare(insert).expect("is prepared");
    let mut old_select = old.prepare(select).expect("is prepared");

    let store = Sqlite::open(&path).await.expect("is migrated");
    store.append(noted("acme")).await.expect("is appended");
    let rows = old_select.query_map([100], |row| row.get(2));
    let types: Result<Vec<String>, _> = rows.expect("is read").collect();
    assert_eq!(types.expect("are rows"), ["noted"]);
    old_insert.execute([102]).expect("is appended");
    store.append(noted("other")).await.expect("is appended");

    assert_have_tenants(&store, &[Some("acme"), None, Some("other")]).await;
    let select = "SELECT metadata FROM events_json WHERE position > 100 ORDER BY position";
    let mut shown = old.prepare(select).expect("is prepared");
    let shown = shown.query_map([], |row| row.get(0)).expect("is shown");
    let shown: Result<Vec<Option<String>>, _> = shown.collect();
    let tenant = |name: &str| Some(format!(r#"{{"tenant":"{name}"}}"#));
    assert_eq!(
        shown.expect("are rows"),
        [tenant("acme"), None, tenant("other")]
    );
}
