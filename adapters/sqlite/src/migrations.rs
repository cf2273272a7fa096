use cqrs_kit::migrations::Migrations;
use rusqlite::{Connection, TransactionBehavior};
use uuid::Uuid;

use crate::sql;

/// Marks a file as a database of this framework: `cqrs` in ASCII.
pub(crate) const APPLICATION: i64 = 0x6371_7273;

pub(crate) const MIGRATIONS: Migrations = Migrations::new(&[
    include_str!("sql/migrations/0001_log.sql"),
    include_str!("sql/migrations/0002_last_events.sql"),
    include_str!("sql/migrations/0003_rows.sql"),
    include_str!("sql/migrations/0004_resent.sql"),
    include_str!("sql/migrations/0005_shards.sql"),
    include_str!("sql/migrations/0006_halts.sql"),
    include_str!("sql/migrations/0007_divisions.sql"),
    include_str!("sql/migrations/0008_versions.sql"),
    include_str!("sql/migrations/0009_parked_keys.sql"),
    include_str!("sql/migrations/0010_skipped_keys.sql"),
    include_str!("sql/migrations/0011_metadata.sql"),
]);

/// Tables and views of the migrations.
const OWN: &[&str] = &[
    "checkpoints",
    "command_blocks",
    "commands",
    "event_tags",
    "events",
    "events_json",
    "meta",
    "models",
    "parked_keys",
    "projection_versions",
    "skipped_events",
    "states",
    "type_blocks",
    "workers",
];

/// Prefix of the tables of read models.
pub(crate) const MODEL_PREFIX: &str = "view_";

/// Whether this is the name of a table or view of the store, or is reserved for one.
pub(crate) fn is_own(name: &str) -> bool {
    let prefix = name.as_bytes().get(..MODEL_PREFIX.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(MODEL_PREFIX.as_bytes()))
        || OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Identity of a database file: the application that it belongs to, the version of its schema, and
/// the number of its tables.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    pub(crate) application: i64,
    pub(crate) version: i64,
    pub(crate) tables: i64,
}

/// The identity of the file, read in one snapshot.
pub(crate) fn identify(conn: &mut Connection) -> rusqlite::Result<FileIdentity> {
    let snapshot = conn.transaction()?;
    let tables = "SELECT count(*) FROM sqlite_schema";
    Ok(FileIdentity {
        application: snapshot.pragma_query_value(None, "application_id", |row| row.get(0))?,
        version: version(&snapshot)?,
        tables: snapshot.query_row(tables, [], |row| row.get(0))?,
    })
}

/// Brings the schema to the latest version, unless another process has just done so.
pub(crate) fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = version(&transaction)?;
    for (number, migration) in MIGRATIONS.after(before) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    if before == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        let id = Uuid::now_v7();
        transaction.execute(sql::INSERT_META, ("store_id", &id.as_bytes()[..]))?;
    }
    transaction.commit()
}

fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use cqrs_core::Position;
    use cqrs_core::store::Shard;

    use super::*;
    use crate::row;

    #[test]
    fn a_fresh_database_is_brought_to_the_latest_version_once() {
        let mut conn = Connection::open_in_memory().unwrap();
        let fresh = FileIdentity {
            application: 0,
            version: 0,
            tables: 0,
        };
        assert_eq!(identify(&mut conn).unwrap(), fresh);
        migrate(&mut conn).unwrap();
        let first = identify(&mut conn).unwrap();
        assert_eq!(
            (first.application, first.version),
            (APPLICATION, MIGRATIONS.latest())
        );
        migrate(&mut conn).unwrap();
        assert_eq!(identify(&mut conn).unwrap(), first);
    }

    #[test]
    fn a_checkpoint_of_the_first_version_has_no_event() {
        let mut conn = Connection::open_in_memory().unwrap();
        let (_, first) = MIGRATIONS.after(0).next().unwrap();
        conn.execute_batch(first).unwrap();
        conn.pragma_update(None, "user_version", 1).unwrap();
        let insert = "INSERT INTO checkpoints (subscription, position) VALUES (?1, ?2)";
        conn.execute(insert, ("products", 7)).unwrap();
        migrate(&mut conn).unwrap();
        let found = row::checkpoint(&conn, &Shard::whole("products")).unwrap();
        assert_eq!(found, Some(Position::new(7).into()));
    }

    #[test]
    fn what_the_migrations_make_is_the_stores_own() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let names = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name";
        let mut select = conn.prepare(names).unwrap();
        let names = select.query_map([], |row| row.get(0)).unwrap();
        assert_eq!(names.collect::<Result<Vec<String>, _>>().unwrap(), OWN);
        assert!(is_own("Events") && is_own("VIEW_products_1"));
        assert!(!is_own("event") && !is_own("view") && !is_own("é"));
    }

    #[test]
    fn the_view_for_people_shows_json_and_times() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let insert = "INSERT INTO events VALUES \
                      (1, x'01', 'sold', 1, '', 1500000, NULL, x'02', x'', x'04', x'7B7D', 'a:1', NULL, '{\"k\":\"v\"}')";
        conn.execute(insert, []).unwrap();
        let select =
            "SELECT payload, time, tags, correlation, causation, metadata FROM events_json";
        let shown: Vec<String> = conn
            .query_row(select, [], |row| {
                (0..6).map(|place| row.get(place)).collect()
            })
            .unwrap();
        let time = "1970-01-01T00:00:01.500000Z";
        assert_eq!(shown, ["{}", time, "[\"a:1\"]", "02", "04", r#"{"k":"v"}"#]);
    }
}
