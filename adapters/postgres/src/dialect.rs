use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Bound;

use cqrs_core::store::{IndexRange, ModelSchema, ViewScan};
use tokio_postgres::types::ToSql;
use xxhash_rust::xxh3::xxh3_64;

use crate::fault::Fault;
use crate::schema::Schema;

/// The table of a read model: `key`, `body`, and a column `i0`, `i1`, .. per index. Only what was
/// checked to be a plain name gets into SQL text; everything else is a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Of the read model, checked to be plain.
    pub(crate) model: String,
    /// With the schema, and quoted.
    pub(crate) name: String,
    pub(crate) indexes: usize,
}

/// A statement with its parameters.
#[derive(Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Param {
    Bytes(Vec<u8>),
    Number(i64),
}

impl Table {
    /// The table of this read model.
    pub(crate) fn of(schema: &Schema, model: &ModelSchema) -> Result<Self, Fault> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if model.table.is_empty() || !model.table.bytes().all(plain) {
            return Err(Fault::data(format!(
                "a read model cannot be named `{}`: use lower-case ASCII letters, digits and \
                 underscores",
                model.table
            )));
        }
        Ok(Self {
            model: model.table.clone(),
            name: format!("\"{schema}\".\"{}\"", identifier("view", &model.table)),
            indexes: model.indexes.len(),
        })
    }

    /// Writes the views with the keys $1, an array: the bodies $2, and the sort keys from $3 on.
    pub(crate) fn upsert(&self) -> String {
        let (mut columns, mut arrays, mut set) = (String::new(), String::new(), String::new());
        for column in 0..self.indexes {
            let _ = write!(columns, ", i{column}");
            let _ = write!(arrays, ", ${}::bytea[]", column + 3);
            let _ = write!(set, ", i{column} = excluded.i{column}");
        }
        format!(
            "INSERT INTO {} (key, body{columns}) \
             SELECT * FROM unnest($1::text[], $2::bytea[]{arrays}) \
             ON CONFLICT (key) DO UPDATE SET body = excluded.body{set}",
            self.name
        )
    }

    /// Deletes the views with the keys $1, an array.
    pub(crate) fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE key = ANY($1)", self.name)
    }

    /// The keys and bodies of the views with the keys $1, an array, in any order.
    pub(crate) fn load(&self) -> String {
        format!("SELECT key, body FROM {} WHERE key = ANY($1)", self.name)
    }

    /// The keys and bodies of the views that the scan asks for, and with a total that in a third
    /// column: one statement is one snapshot. The total is there even if no view is.
    pub(crate) fn scan(&self, scan: &ViewScan) -> Statement {
        let mut statement = Statement {
            sql: String::new(),
            params: Vec::new(),
        };
        let within = self.within(&scan.ranges, &mut statement);
        let indexed = scan.order.filter(|index| *index < self.indexes);
        let order = match indexed {
            Some(index) if scan.descending => format!("i{index} DESC, key DESC"),
            Some(index) => format!("i{index}, key"),
            None if scan.descending => "key DESC".to_owned(),
            None => "key".to_owned(),
        };
        let sorted = match indexed {
            Some(index) if scan.with_total => format!(", i{index}"),
            _ => String::new(),
        };
        let page = format!("SELECT key, body{sorted}{within} ORDER BY {order}");
        let limit = |count: u64| Param::Number(i64::try_from(count).unwrap_or(i64::MAX));
        if !scan.with_total {
            statement.sql = page;
            statement.push(" LIMIT ", limit(scan.take));
            statement.push(" OFFSET ", limit(scan.skip));
            return statement;
        }
        if scan.take == 0 {
            statement.sql = format!("SELECT NULL, NULL, count(*){within}");
            return statement;
        }
        statement.sql = format!(
            "SELECT key, body, total FROM (SELECT count(*) AS total{within}) AS counted \
             LEFT JOIN ({page}"
        );
        statement.push(" LIMIT ", limit(scan.take));
        statement.push(" OFFSET ", limit(scan.skip));
        let _ = write!(statement.sql, ") AS page ON true ORDER BY {order}");
        statement
    }

    /// Where to look for the views in the ranges.
    fn within(&self, ranges: &[IndexRange], statement: &mut Statement) -> String {
        let mut sql = format!(" FROM {}", self.name);
        let mut word = "WHERE";
        for IndexRange { index, from, to } in ranges {
            // An index that the model does not have holds no view.
            if *index >= self.indexes {
                let _ = write!(sql, " {word} false");
                word = "AND";
                continue;
            }
            let bounds = match (from, to) {
                (Bound::Included(from), Bound::Included(to)) if from == to => {
                    [Some(("=", from)), None]
                }
                _ => [limit(from, ">=", ">"), limit(to, "<=", "<")],
            };
            for (operator, key) in bounds.into_iter().flatten() {
                statement.params.push(Param::Bytes(key.as_bytes().to_vec()));
                let param = statement.params.len();
                let _ = write!(sql, " {word} i{index} {operator} ${param}");
                word = "AND";
            }
        }
        sql
    }
}

impl Param {
    pub(crate) fn value(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(number) => number,
        }
    }
}

impl Statement {
    fn push(&mut self, sql: &str, param: Param) {
        self.params.push(param);
        let _ = write!(self.sql, "{sql}${}", self.params.len());
    }
}

/// A key as it is stored. A text of PostgreSQL cannot hold U+0000, and a key may: so U+0000 is
/// U+0001 U+0001, and U+0001 is U+0001 U+0002, which sort among all others as they did.
pub(crate) fn encode_key(key: &str) -> Cow<'_, str> {
    if !key.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(
        key.replace('\u{1}', "\u{1}\u{2}")
            .replace('\0', "\u{1}\u{1}"),
    )
}

/// The key that is stored so.
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

fn limit<'k, K>(
    bound: &'k Bound<K>,
    included: &'static str,
    excluded: &'static str,
) -> Option<(&'static str, &'k K)> {
    match bound {
        Bound::Included(key) => Some((included, key)),
        Bound::Excluded(key) => Some((excluded, key)),
        Bound::Unbounded => None,
    }
}

/// `<kind>_<model>`. PostgreSQL cuts longer names short, so a name that is too long ends in a hash
/// of all of it, after a `$` that no read model has in its name.
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
    use cqrs_core::views::SortKey;
    use std::sync::Arc;

    use super::*;

    fn table(model: &str) -> Table {
        let schema = Schema::new("shop").unwrap();
        let (table, indexes) = (model.to_owned(), vec!["price", "name"]);
        Table::of(&schema, &ModelSchema { table, indexes }).unwrap()
    }

    #[test]
    fn an_upsert_writes_every_column() {
        assert_eq!(
            table("cards").upsert(),
            "INSERT INTO \"shop\".\"view_cards\" (key, body, i0, i1) SELECT * FROM \
             unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[]) ON CONFLICT (key) DO \
             UPDATE SET body = excluded.body, i0 = excluded.i0, i1 = excluded.i1"
        );
    }

    #[test]
    fn scans_bind_what_they_compare() {
        let range = |index, from, to| IndexRange { index, from, to };
        let key = |value: u8| SortKey::of(&value);
        let scan = ViewScan {
            model: Arc::new(ModelSchema {
                table: "cards".to_owned(),
                indexes: vec!["price", "name"],
            }),
            ranges: vec![
                range(0, Bound::Excluded(key(1)), Bound::Included(key(2))),
                range(1, Bound::Included(key(3)), Bound::Included(key(3))),
                // An index that is not there holds nothing.
                range(2, Bound::Unbounded, Bound::Unbounded),
            ],
            order: Some(1),
            descending: true,
            skip: 4,
            take: u64::MAX,
            with_total: false,
        };
        let Statement { sql, params } = table("cards").scan(&scan);
        assert_eq!(
            sql,
            "SELECT key, body FROM \"shop\".\"view_cards\" WHERE i0 > $1 AND i0 <= $2 AND i1 = \
             $3 AND false ORDER BY i1 DESC, key DESC LIMIT $4 OFFSET $5"
        );
        let bytes = [1, 2, 3].map(|byte| Param::Bytes(vec![byte]));
        let numbers = [i64::MAX, 4].map(Param::Number);
        assert!(params.iter().eq(bytes.iter().chain(&numbers)), "{params:?}");
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
