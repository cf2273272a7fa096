//! The SQL of read models on SQLite.

use std::fmt::Write as _;

use cqrs_kit::ViewError;
use cqrs_kit::view_table::{Dialect, Param, ViewTable};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::fault::Fault;
use crate::migrations::MODEL_PREFIX;

/// The table of a read model.
pub(crate) type Table = ViewTable<Tables>;

/// The tables of read models on SQLite. They have no row ids, so the table is in the order of its keys,
/// and every index ends with the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables;

impl Dialect for Tables {
    const PARAMETER: char = '?';
    const BYTES: &'static str = "BLOB";
    const TABLE_OPTIONS: &'static str = " STRICT, WITHOUT ROWID";
    const INDEX_SUFFIX: &'static str = "";

    fn table(&self, model: &str) -> String {
        format!("{MODEL_PREFIX}{model}")
    }

    fn key_column(_: &str) -> String {
        "key TEXT NOT NULL PRIMARY KEY".to_owned()
    }

    fn index(table: &str, _: &str, column: usize) -> String {
        format!("{table}_by_{column}")
    }

    fn has_key() -> String {
        "key = ?1".to_owned()
    }

    fn stored_key(key: &str) -> String {
        key.to_owned()
    }
}

/// Writes one view: the parameters are the key, the body, and the sort keys.
pub(crate) fn upsert(table: &Table) -> String {
    let params: Vec<_> = (1..=table.indexes() + 2)
        .map(|number| format!("?{number}"))
        .collect();
    table.upsert(&format!("VALUES ({})", params.join(", ")))
}

/// Puts the table of a read model that was built again in the place of the former one. SQLite renames no index, so
/// they are made once more: their names are taken when the read model is built again.
pub(crate) fn replace(present: &Table, rebuilt: &Table) -> String {
    let (name, from) = (present.name(), rebuilt.name());
    let mut sql = format!(
        "{}; ALTER TABLE {from} RENAME TO {name};",
        present.drop_if_exists()
    );
    for column in 0..rebuilt.indexes() {
        let index = Tables::index(from, rebuilt.model(), column);
        let _ = write!(sql, "DROP INDEX {index};");
    }
    sql.push_str(&present.create_indexes());
    sql
}

/// A parameter as SQLite takes it.
pub(crate) fn value(param: &Param) -> ToSqlOutput<'_> {
    match param {
        Param::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        Param::Key(key) => ToSqlOutput::Borrowed(ValueRef::Text(key.as_bytes())),
        Param::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
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

#[cfg(test)]
mod tests {
    use std::ops::Bound;
    use std::sync::Arc;

    use cqrs_core::store::{IndexRange, ModelSchema, ViewPlace, ViewScan};
    use cqrs_core::views::SortKey;
    use cqrs_kit::view_table::BoundStatement;
    use rusqlite::{Connection, params_from_iter};

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
            after: None,
            skip: 0,
            take: 10,
            with_total: false,
        }
    }

    fn key(value: u8) -> Bound<SortKey> {
        Bound::Included(SortKey::of(&value))
    }

    /// How SQLite carries the statement out.
    fn plan(statement: &BoundStatement) -> String {
        let conn = Connection::open_in_memory().unwrap();
        let table = Table::new(&Tables, &model()).unwrap();
        conn.execute_batch(&table.create()).unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let mut select = conn.prepare(&explain).unwrap();
        let params = params_from_iter(statement.params.iter().map(value));
        let steps = select.query_map(params, |row| row.get(3)).unwrap();
        steps
            .collect::<Result<Vec<String>, _>>()
            .unwrap()
            .join("; ")
    }

    #[test]
    fn nothing_is_sorted_that_an_index_has_in_order() {
        let table = Table::new(&Tables, &model()).unwrap();
        for descending in [false, true] {
            for order in [None, Some(0), Some(1)] {
                let plan = plan(&table.page(&scan(Vec::new(), order, descending)));
                assert!(!plan.contains("TEMP B-TREE"), "{plan}");
            }
            let range = IndexRange {
                index: 0,
                from: key(1),
                to: key(2),
            };
            let plan = plan(&table.page(&scan(vec![range], Some(0), descending)));
            assert!(plan.contains("view_products_1_product_view_by_0"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn a_page_after_a_place_begins_within_its_index() {
        let table = Table::new(&Tables, &model()).unwrap();
        let pages = [
            (Some(0), "by_0 ((i0,key)<(?,?))"),
            (None, "PRIMARY KEY (key<?)"),
        ];
        for (order, bounded) in pages {
            let after = ViewPlace {
                sort_key: order.map(|_| SortKey::of(&1_u8)),
                key: "k".to_owned(),
            };
            let page = ViewScan {
                after: Some(after),
                ..scan(Vec::new(), order, true)
            };
            let plan = plan(&table.page(&page));
            assert!(plan.contains(bounded), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn one_value_of_an_index_sorted_by_key_needs_no_sorting_either() {
        let table = Table::new(&Tables, &model()).unwrap();
        let range = IndexRange {
            index: 1,
            from: key(1),
            to: key(1),
        };
        let plan = plan(&table.page(&scan(vec![range], None, false)));
        assert!(
            plan.contains("view_products_1_product_view_by_1 (i1=?)"),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
