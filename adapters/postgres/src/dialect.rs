//! The SQL of read models on PostgreSQL.

use std::borrow::Cow;
use std::fmt::Write as _;

use cqrs_kit::ViewError;
use cqrs_kit::view_table::{Dialect, Param, ViewTable};
use tokio_postgres::types::ToSql;
use xxhash_rust::xxh3::xxh3_64;

use crate::fault::Fault;
use crate::schema::Schema;

/// The table of a read model.
pub(crate) type Table = ViewTable<Schema>;

/// How PostgreSQL keeps read models. Statements take arrays, so that any number of views is one
/// round trip. Keys sort by their bytes, whatever the collation of the database is.
impl Dialect for Schema {
    const PARAMETER: char = '$';
    const BYTES: &'static str = "bytea";
    const TABLE_OPTIONS: &'static str = "";
    const INDEX_SUFFIX: &'static str = ", key";

    fn table(&self, model: &str) -> String {
        format!("\"{self}\".\"{}\"", identifier("view", model))
    }

    /// Constraint and indexes are named, and not as a table is: all of them share one namespace, and
    /// a name that PostgreSQL makes up may be that of another read model's table.
    fn key_column(model: &str) -> String {
        let constraint = identifier("key", model);
        format!("key text COLLATE \"C\" CONSTRAINT \"{constraint}\" PRIMARY KEY")
    }

    fn index(_: &str, model: &str, column: usize) -> String {
        format!("\"{}\"", identifier(&format!("index{column}"), model))
    }

    fn has_key() -> String {
        "key = ANY($1)".to_owned()
    }

    fn stored_key(key: &str) -> String {
        encode_key(key).into_owned()
    }
}

/// Writes views if `fence` has a row. The parameters are arrays: `first` the keys, then the bodies,
/// and the sort keys of each index.
pub(crate) fn upsert_behind(fence: &str, table: &Table, first: usize) -> String {
    table.upsert(&rows_behind(fence, table, first))
}

/// As [`upsert_behind`], for views whose keys are not in the table. Nothing is
/// written in two steps to find out whether somebody else writes the key.
pub(crate) fn insert_behind(fence: &str, table: &Table, first: usize) -> String {
    table.insert(&rows_behind(fence, table, first))
}

/// Copies views whose keys are not in the table.
pub(crate) fn copy(table: &Table) -> String {
    let (name, columns) = (table.name(), table.columns());
    format!("COPY {name} ({columns}) FROM STDIN (FORMAT binary)")
}

fn rows_behind(fence: &str, table: &Table, first: usize) -> String {
    let mut rows = format!("SELECT new.* FROM unnest(${first}::text[]");
    for number in first + 1..first + 2 + table.indexes() {
        let _ = write!(rows, ", ${number}::bytea[]");
    }
    let _ = write!(rows, ") AS new, {fence}");
    rows
}

/// Deletes the views with the keys of the array `keys` if `fence` has a row.
pub(crate) fn delete_behind(fence: &str, table: &Table, keys: usize) -> String {
    let name = table.name();
    format!("DELETE FROM {name} USING {fence} WHERE key = ANY(${keys})")
}

/// Locks the table, so that no row is written between a look at it and its end.
pub(crate) fn lock(table: &Table) -> String {
    format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.name())
}

/// Puts the table of a read model that was built again in the place of the former one, with the names of its
/// indexes.
pub(crate) fn replace(schema: &Schema, present: &Table, rebuilt: &Table) -> String {
    let (to, from) = (present.model(), rebuilt.model());
    let mut sql = format!(
        "{}; ALTER TABLE {} RENAME TO \"{}\";",
        present.drop(),
        rebuilt.name(),
        identifier("view", to)
    );
    let indexes = (0..rebuilt.indexes()).map(|column| format!("index{column}"));
    for kind in ["key".to_owned()].into_iter().chain(indexes) {
        let (to, from) = (identifier(&kind, to), identifier(&kind, from));
        let _ = write!(
            sql,
            "ALTER INDEX \"{schema}\".\"{from}\" RENAME TO \"{to}\";"
        );
    }
    sql
}

/// A parameter as PostgreSQL takes it.
pub(crate) fn value(param: &Param) -> &(dyn ToSql + Sync) {
    match param {
        Param::Bytes(bytes) => bytes,
        Param::Key(key) => key,
        Param::Number(number) => number,
    }
}

impl From<ViewError> for Fault {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::OtherIndexes { .. } => Self::corrupt(error.to_string()),
            _ => Self::data(error.to_string()),
        }
    }
}

/// A key as it is stored. PostgreSQL's texts cannot hold U+0000, and keys may. So U+0000 is stored as
/// U+0001 U+0001, and U+0001 as U+0001 U+0002, which keeps the order of all keys.
pub(crate) fn encode_key(key: &str) -> Cow<'_, str> {
    if !key.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(
        key.replace('\u{1}', "\u{1}\u{2}")
            .replace('\0', "\u{1}\u{1}"),
    )
}

/// The inverse of [`encode_key`].
pub(crate) fn decode_key(stored: String) -> String {
    if !stored.contains('\u{1}') {
        return stored;
    }
    let mut key = String::with_capacity(stored.len());
    let mut rest = stored.chars();
    while let Some(next) = rest.next() {
        key.push(match next {
            '\u{1}' if rest.next() == Some('\u{1}') => '\0',
            next => next,
        });
    }
    key
}

/// `<kind>_<model>`. PostgreSQL truncates longer names, so a name that is too long ends with a hash of
/// all of it, after a `$`, which no read model has in its name.
pub(crate) fn identifier(kind: &str, model: &str) -> String {
    const MAX_NAME_BYTES: usize = 63;
    const HASH_BYTES: usize = 1 + 16;
    let mut name = format!("{kind}_{model}");
    if name.len() > MAX_NAME_BYTES {
        let hash = xxh3_64(name.as_bytes());
        name.truncate(MAX_NAME_BYTES - HASH_BYTES);
        let _ = write!(name, "${hash:016x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use cqrs_core::store::ModelSchema;

    use super::*;

    fn table(model: &str) -> Table {
        let schema = Schema::new("shop").unwrap();
        let (table, indexes) = (model.to_owned(), vec!["price", "name"]);
        Table::new(&schema, &ModelSchema { table, indexes }).unwrap()
    }

    #[test]
    fn an_upsert_writes_every_column() {
        assert_eq!(
            upsert_behind("fence", &table("cards"), 6),
            "INSERT INTO \"shop\".\"view_cards\" (key, body, i0, i1) SELECT new.* FROM \
             unnest($6::text[], $7::bytea[], $8::bytea[], $9::bytea[]) AS new, fence ON CONFLICT \
             (key) DO UPDATE SET body = excluded.body, i0 = excluded.i0, i1 = excluded.i1"
        );
    }

    #[test]
    fn tables_and_indexes_have_names_of_their_own() {
        assert_eq!(
            table("cards").create(),
            "CREATE TABLE \"shop\".\"view_cards\" (key text COLLATE \"C\" CONSTRAINT \
             \"key_cards\" PRIMARY KEY, body bytea NOT NULL, i0 bytea NOT NULL, i1 bytea NOT \
             NULL);CREATE INDEX \"index0_cards\" ON \"shop\".\"view_cards\" (i0, key);CREATE \
             INDEX \"index1_cards\" ON \"shop\".\"view_cards\" (i1, key);"
        );
    }

    #[test]
    fn long_names_stay_apart() {
        let (a, b) = ("m".repeat(70), format!("{}n", "m".repeat(69)));
        let names = [&a, &b].map(|model| identifier("view", model));
        assert_ne!(names[0], names[1]);
        for name in names {
            assert_eq!(name.len(), 63);
            assert!(name.contains('$'), "{name}");
        }
        let longest = "m".repeat(58);
        assert_eq!(identifier("view", &longest), format!("view_{longest}"));
        assert_ne!(identifier("index1", &a), identifier("index11", &a));
    }

    #[test]
    fn odd_keys_sort_and_come_back_as_they_are() {
        let mut keys = [
            "", "\0", "\0\0", "\0\u{1}", "\0a", "\u{1}", "\u{1}\0", "\u{2}", "a\0", "a",
        ];
        keys.sort_unstable();
        let stored = keys.map(|key| encode_key(key).into_owned());
        assert!(stored.is_sorted(), "{stored:?}");
        assert!(stored.iter().all(|key| !key.contains('\0')));
        assert_eq!(stored.map(decode_key), keys);
    }
}
