use std::fmt::Write as _;
use std::ops::Bound;

use cqrs_core::store::{IndexRange, ModelSchema, ViewScan};
use rusqlite::types::Value;

use crate::fault::Fault;
use crate::migrations::MODEL_PREFIX;

/// The table of a read model: `key`, `body`, and a column `i0`, `i1`, .. per index. Only what was
/// checked to be a plain name gets into SQL text; everything else is a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    name: String,
    indexes: usize,
}

/// A statement with its parameters.
#[derive(Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<Value>,
}

impl Table {
    /// The table of this read model.
    pub(crate) fn of(model: &ModelSchema) -> Result<Self, Fault> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if model.table.is_empty() || !model.table.bytes().all(plain) {
            return Err(Fault::data(format!(
                "a read model cannot be named `{}`: use lower-case ASCII letters, digits and \
                 underscores",
                model.table
            )));
        }
        Ok(Self {
            name: format!("{MODEL_PREFIX}{}", model.table),
            indexes: model.indexes.len(),
        })
    }

    /// Makes the table and its indexes. The key is the table's order and ends every index, so
    /// that ties come sorted by key.
    pub(crate) fn create(&self) -> String {
        let Self { name, indexes } = self;
        let mut sql =
            format!("CREATE TABLE {name} (key TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL");
        for column in 0..*indexes {
            let _ = write!(sql, ", i{column} BLOB NOT NULL");
        }
        sql.push_str(") STRICT, WITHOUT ROWID;");
        for column in 0..*indexes {
            let _ = write!(
                sql,
                "CREATE INDEX {name}_by_{column} ON {name} (i{column});"
            );
        }
        sql
    }

    /// Drops the table and its indexes.
    pub(crate) fn drop(&self) -> String {
        format!("DROP TABLE {}", self.name)
    }

    /// Any row at all.
    pub(crate) fn any(&self) -> String {
        format!("SELECT 1 FROM {} LIMIT 1", self.name)
    }

    /// Writes the view with the key ?1: the body ?2, and the sort keys from ?3 on.
    pub(crate) fn upsert(&self) -> String {
        let mut sql = format!("INSERT INTO {} VALUES (?1, ?2", self.name);
        for column in 0..self.indexes {
            let _ = write!(sql, ", ?{}", column + 3);
        }
        sql.push_str(") ON CONFLICT (key) DO UPDATE SET body = excluded.body");
        for column in 0..self.indexes {
            let _ = write!(sql, ", i{column} = excluded.i{column}");
        }
        sql
    }

    /// Deletes the view with the key ?1.
    pub(crate) fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE key = ?1", self.name)
    }

    /// The body of the view with the key ?1.
    pub(crate) fn load(&self) -> String {
        format!("SELECT body FROM {} WHERE key = ?1", self.name)
    }

    /// The keys and bodies of the views that the scan asks for.
    pub(crate) fn scan(&self, scan: &ViewScan) -> Statement {
        let mut statement = self.within("SELECT key, body", &scan.ranges);
        let order = match scan.order.filter(|index| *index < self.indexes) {
            Some(index) if scan.descending => format!(" ORDER BY i{index} DESC, key DESC"),
            Some(index) => format!(" ORDER BY i{index}, key"),
            None if scan.descending => " ORDER BY key DESC".to_owned(),
            None => " ORDER BY key".to_owned(),
        };
        statement.sql.push_str(&order);
        let limit = |count: u64| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        statement.push(" LIMIT ", limit(scan.take));
        statement.push(" OFFSET ", limit(scan.skip));
        statement
    }

    /// How many views are within the scan's ranges.
    pub(crate) fn count(&self, scan: &ViewScan) -> Statement {
        self.within("SELECT count(*)", &scan.ranges)
    }

    fn within(&self, select: &str, ranges: &[IndexRange]) -> Statement {
        let mut statement = Statement {
            sql: format!("{select} FROM {}", self.name),
            params: Vec::new(),
        };
        let mut word = "WHERE";
        for IndexRange { index, from, to } in ranges {
            // An index that the model does not have holds no view.
            if *index >= self.indexes {
                let _ = write!(statement.sql, " {word} false");
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
                let compare = format!(" {word} i{index} {operator} ");
                statement.push(&compare, Value::Blob(key.as_bytes().to_vec()));
                word = "AND";
            }
        }
        statement
    }
}

impl Statement {
    fn push(&mut self, sql: &str, param: Value) {
        self.params.push(param);
        let _ = write!(self.sql, "{sql}?{}", self.params.len());
    }
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

#[cfg(test)]
mod tests {
    use cqrs_core::views::SortKey;
    use rusqlite::{Connection, params_from_iter};
    use std::sync::Arc;

    use super::*;

    fn model() -> ModelSchema {
        ModelSchema {
            table: "products_1_product_view".to_owned(),
            indexes: vec!["price", "name"],
        }
    }

    fn scan(ranges: Vec<IndexRange>, order: Option<usize>, descending: bool) -> ViewScan {
        ViewScan {
            model: Arc::new(model()),
            ranges,
            order,
            descending,
            skip: 0,
            take: 10,
            with_total: false,
        }
    }

    fn key(value: u8) -> Bound<SortKey> {
        Bound::Included(SortKey::of(&value))
    }

    /// How SQLite carries the statement out.
    fn plan(statement: &Statement) -> String {
        let conn = Connection::open_in_memory().unwrap();
        let table = Table::of(&model()).unwrap();
        conn.execute_batch(&table.create()).unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let mut select = conn.prepare(&explain).unwrap();
        let params = params_from_iter(&statement.params);
        let steps = select.query_map(params, |row| row.get(3)).unwrap();
        steps
            .collect::<Result<Vec<String>, _>>()
            .unwrap()
            .join("; ")
    }

    #[test]
    fn nothing_is_sorted_that_an_index_has_in_order() {
        let table = Table::of(&model()).unwrap();
        for descending in [false, true] {
            for order in [None, Some(0), Some(1)] {
                let plan = plan(&table.scan(&scan(Vec::new(), order, descending)));
                assert!(!plan.contains("TEMP B-TREE"), "{plan}");
            }
            let range = IndexRange {
                index: 0,
                from: key(1),
                to: key(2),
            };
            let plan = plan(&table.scan(&scan(vec![range], Some(0), descending)));
            assert!(plan.contains("view_products_1_product_view_by_0"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn one_value_of_an_index_sorted_by_key_needs_no_sorting_either() {
        let table = Table::of(&model()).unwrap();
        let range = IndexRange {
            index: 1,
            from: key(1),
            to: key(1),
        };
        let plan = plan(&table.scan(&scan(vec![range], None, false)));
        assert!(
            plan.contains("view_products_1_product_view_by_1 (i1=?)"),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[test]
    fn an_index_that_is_not_there_holds_nothing() {
        let table = Table::of(&model()).unwrap();
        let range = IndexRange {
            index: 2,
            from: key(1),
            to: Bound::Unbounded,
        };
        let count = table.count(&scan(vec![range], Some(2), false));
        assert!(count.sql.ends_with("WHERE false"), "{}", count.sql);
    }
}
