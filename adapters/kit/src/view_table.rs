//! The SQL of the table that keeps a read model.
//!
//! Each read model has a table with the columns `key`, `body`, and one per index: `i0`, `i1` and so
//! on. Only names that [`ViewTable::new`] has checked get into the text of a statement; everything
//! else is a parameter.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::ops::Bound;

use cqrs_core::store::{IndexRange, ModelSchema, SortKey, ViewPlace, ViewScan};

use crate::ViewError;

/// What differs between databases.
pub trait Dialect {
    /// The character before a parameter's number.
    const PARAMETER: char;

    /// The type of a column of bytes.
    const BYTES: &'static str;

    /// The clause after the columns of a table, with a space before it.
    const TABLE_OPTIONS: &'static str;

    /// Columns of an index after its own one. Rows with equal sort keys are sorted by `key`, so an
    /// index has to end with it, or with a primary key that SQLite appends by itself.
    const INDEX_SUFFIX: &'static str;

    /// The full name of the table of a read model, escaped where it has to be.
    fn table(&self, model: &str) -> String;

    /// The definition of the column `key`: a text that is sorted by its bytes, the primary key.
    fn key_column(model: &str) -> String;

    /// The name of an index of the table `table`, escaped where it has to be.
    fn index(table: &str, model: &str, column: usize) -> String;

    /// The condition that a row has a key of the first parameter.
    fn has_key() -> String;

    /// A key as the column `key` has it, in the same order.
    fn stored_key(key: &str) -> String;
}

/// The table of a read model in SQL of the dialect `D`.
#[derive(Debug)]
pub struct ViewTable<D> {
    model: String,
    name: String,
    indexes: usize,
    dialect: PhantomData<fn() -> D>,
}

/// A statement with the values of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundStatement {
    /// The text.
    pub sql: String,
    /// The values, from the first parameter on.
    pub params: Vec<Param>,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// A sort key.
    Bytes(Vec<u8>),
    /// The key of a view, as the column has it.
    Key(String),
    /// A number of rows.
    Number(i64),
}

impl<D: Dialect> ViewTable<D> {
    /// The table of this read model.
    ///
    /// # Errors
    /// [`ViewError::Name`].
    pub fn new(dialect: &D, model: &ModelSchema) -> Result<Self, ViewError> {
        let is_plain = model
            .table
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if model.table.is_empty() || !is_plain {
            return Err(ViewError::Name {
                model: model.table.clone(),
            });
        }
        Ok(Self {
            name: dialect.table(&model.table),
            model: model.table.clone(),
            indexes: model.indexes.len(),
            dialect: PhantomData,
        })
    }

    /// The name of the read model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The name of the table, escaped where it has to be.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of indexes.
    pub fn indexes(&self) -> usize {
        self.indexes
    }

    /// Creates the table and its indexes: several statements.
    pub fn create(&self) -> String {
        let name = &self.name;
        let bytes = D::BYTES;
        let mut sql = format!(
            "CREATE TABLE {name} ({}, body {bytes} NOT NULL",
            D::key_column(&self.model)
        );
        for column in 0..self.indexes {
            let _ = write!(sql, ", i{column} {bytes} NOT NULL");
        }
        let _ = write!(sql, "){};", D::TABLE_OPTIONS);
        sql.push_str(&self.create_indexes());
        sql
    }

    /// Creates the indexes: several statements.
    pub fn create_indexes(&self) -> String {
        let (name, suffix) = (&self.name, D::INDEX_SUFFIX);
        let mut sql = String::new();
        for column in 0..self.indexes {
            let index = D::index(name, &self.model, column);
            let _ = write!(sql, "CREATE INDEX {index} ON {name} (i{column}{suffix});");
        }
        sql
    }

    /// Drops the table and its indexes.
    pub fn drop(&self) -> String {
        format!("DROP TABLE {}", self.name)
    }

    /// Drops the table and its indexes, if it exists.
    pub fn drop_if_exists(&self) -> String {
        format!("DROP TABLE IF EXISTS {}", self.name)
    }

    /// Selects a row, if the table has any.
    pub fn any(&self) -> String {
        format!("SELECT 1 FROM {} LIMIT 1", self.name)
    }

    /// Writes views, from `rows`: SQL for rows of the key, the body, and the sort keys.
    pub fn upsert(&self, rows: &str) -> String {
        let mut assignments = String::from("body = excluded.body");
        for column in 0..self.indexes {
            let _ = write!(assignments, ", i{column} = excluded.i{column}");
        }
        format!(
            "{} ON CONFLICT (key) DO UPDATE SET {assignments}",
            self.insert(rows)
        )
    }

    /// Writes views whose keys are not in the table, from `rows` as for [`upsert`](Self::upsert).
    pub fn insert(&self, rows: &str) -> String {
        format!("INSERT INTO {} ({}) {rows}", self.name, self.columns())
    }

    /// The names of all columns: of the key, the body, and the sort key of each index.
    pub fn columns(&self) -> String {
        let mut columns = String::from("key, body");
        for column in 0..self.indexes {
            let _ = write!(columns, ", i{column}");
        }
        columns
    }

    /// Deletes the views with the keys of the first parameter.
    pub fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE {}", self.name, D::has_key())
    }

    /// Selects `key` and `body` of the views with the keys of the first parameter, in any order.
    pub fn load(&self) -> String {
        format!("SELECT key, body FROM {} WHERE {}", self.name, D::has_key())
    }

    /// Selects `key` and `body` of the views of a page, in order.
    pub fn page(&self, scan: &ViewScan) -> BoundStatement {
        let mut statement = BoundStatement::new("SELECT key, body");
        self.push_conditions(&mut statement, scan);
        self.push_order_and_limit(&mut statement, scan);
        statement
    }

    /// Selects the number of views of a scan, regardless of `skip` and `take`.
    pub fn count(&self, scan: &ViewScan) -> BoundStatement {
        let mut statement = BoundStatement::new("SELECT count(*)");
        self.push_conditions(&mut statement, scan);
        statement
    }

    /// Selects `key`, `body` and `total` of the views of a page, in order, and so all of it in one
    /// snapshot even without a transaction. If the page is empty, there is one row, with nothing
    /// but `total`.
    pub fn page_with_total(&self, scan: &ViewScan) -> BoundStatement {
        if scan.take == 0 {
            let mut statement = BoundStatement::new("SELECT NULL, NULL, count(*)");
            self.push_conditions(&mut statement, scan);
            return statement;
        }
        let mut ranges = BoundStatement::new("");
        self.push_conditions(&mut ranges, scan);
        let within = ranges.sql;
        // The outer order needs the column, too.
        let sorted = match self.order_column(scan) {
            Some(index) => format!(", i{index}"),
            None => String::new(),
        };
        // Both parts name the same parameters.
        let mut statement = BoundStatement {
            sql: format!(
                "SELECT key, body, total FROM (SELECT count(*) AS total{within}) AS counted \
                 LEFT JOIN (SELECT key, body{sorted}{within}"
            ),
            params: ranges.params,
        };
        self.push_order_and_limit(&mut statement, scan);
        let _ = write!(statement.sql, ") AS page ON true{}", self.order(scan));
        statement
    }

    fn push_conditions(&self, statement: &mut BoundStatement, scan: &ViewScan) {
        let _ = write!(statement.sql, " FROM {}", self.name);
        let mut word = "WHERE";
        for IndexRange { index, from, to } in &scan.ranges {
            // An index that the model does not have holds no view.
            if *index >= self.indexes {
                let _ = write!(statement.sql, " {word} false");
                word = "AND";
                continue;
            }
            for (operator, key) in comparisons(from, to).into_iter().flatten() {
                let _ = write!(statement.sql, " {word} i{index} {operator} ");
                statement.push_param::<D>(Param::Bytes(key.as_bytes().to_vec()));
                word = "AND";
            }
        }
        let Some(ViewPlace { sort_key, key }) = &scan.after else {
            return;
        };
        let operator = if scan.descending { "<" } else { ">" };
        let key = Param::Key(D::stored_key(key));
        // With the columns of the order, so that the result begins within the index.
        if let (Some(index), Some(sort_key)) = (self.order_column(scan), sort_key) {
            let _ = write!(statement.sql, " {word} (i{index}, key) {operator} (");
            statement.push_param::<D>(Param::Bytes(sort_key.as_bytes().to_vec()));
            statement.sql.push_str(", ");
            statement.push_param::<D>(key);
            statement.sql.push(')');
        } else {
            let _ = write!(statement.sql, " {word} key {operator} ");
            statement.push_param::<D>(key);
        }
    }

    fn push_order_and_limit(&self, statement: &mut BoundStatement, scan: &ViewScan) {
        statement.sql.push_str(&self.order(scan));
        for (clause, count) in [(" LIMIT ", scan.take), (" OFFSET ", scan.skip)] {
            statement.sql.push_str(clause);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            statement.push_param::<D>(Param::Number(count));
        }
    }

    fn order(&self, scan: &ViewScan) -> String {
        let descending = if scan.descending { " DESC" } else { "" };
        match self.order_column(scan) {
            Some(index) => format!(" ORDER BY i{index}{descending}, key{descending}"),
            None => format!(" ORDER BY key{descending}"),
        }
    }

    fn order_column(&self, scan: &ViewScan) -> Option<usize> {
        scan.order.filter(|index| *index < self.indexes)
    }
}

impl<D> Clone for ViewTable<D> {
    fn clone(&self) -> Self {
        Self {
            model: self.model.clone(),
            name: self.name.clone(),
            ..*self
        }
    }
}

impl BoundStatement {
    fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            params: Vec::new(),
        }
    }

    fn push_param<D: Dialect>(&mut self, param: Param) {
        self.params.push(param);
        let _ = write!(self.sql, "{}{}", D::PARAMETER, self.params.len());
    }
}

/// The comparisons that a sort key within the bounds passes. A range of one value is an equality, so
/// that rows which are sorted by `key` come sorted from the index.
fn comparisons<'k>(
    from: &'k Bound<SortKey>,
    to: &'k Bound<SortKey>,
) -> [Option<(&'static str, &'k SortKey)>; 2] {
    if let (Bound::Included(from), Bound::Included(to)) = (from, to)
        && from == to
    {
        return [Some(("=", from)), None];
    }
    let lower = match from {
        Bound::Included(key) => Some((">=", key)),
        Bound::Excluded(key) => Some((">", key)),
        Bound::Unbounded => None,
    };
    let upper = match to {
        Bound::Included(key) => Some(("<=", key)),
        Bound::Excluded(key) => Some(("<", key)),
        Bound::Unbounded => None,
    };
    [lower, upper]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::Plain;

    fn model(name: &str) -> ModelSchema {
        ModelSchema {
            table: name.to_owned(),
            indexes: vec!["price", "name"],
        }
    }

    fn table() -> ViewTable<Plain> {
        ViewTable::new(&Plain, &model("cards")).unwrap()
    }

    fn key(byte: u8) -> SortKey {
        SortKey::from(vec![byte])
    }

    fn scan(ranges: Vec<IndexRange>) -> ViewScan {
        ViewScan {
            model: Arc::new(model("cards")),
            ranges,
            order: Some(1),
            descending: true,
            after: None,
            skip: 4,
            take: u64::MAX,
            with_total: false,
        }
    }

    fn range(index: usize, from: Bound<SortKey>, to: Bound<SortKey>) -> IndexRange {
        IndexRange { index, from, to }
    }

    #[test]
    fn only_plain_names_get_into_statements() {
        for name in ["", "Cards", "a b", "a\"b", "a;b", "é"] {
            let error = ViewTable::new(&Plain, &model(name)).unwrap_err();
            assert!(matches!(error, ViewError::Name { .. }), "{name}");
        }
        ViewTable::new(&Plain, &model("shop_1_cards")).unwrap();
    }

    #[test]
    fn every_index_has_a_column() {
        assert_eq!(
            table().create(),
            "CREATE TABLE cards (key text, body bytes NOT NULL, i0 bytes NOT NULL, i1 bytes NOT \
             NULL);CREATE INDEX cards_0 ON cards (i0, key);CREATE INDEX cards_1 ON cards (i1, key);"
        );
        assert_eq!(
            table().upsert("VALUES (4)"),
            "INSERT INTO cards (key, body, i0, i1) VALUES (4) ON CONFLICT (key) DO UPDATE SET \
             body = excluded.body, i0 = excluded.i0, i1 = excluded.i1"
        );
    }

    #[test]
    fn a_page_binds_what_it_compares() {
        let ranges = vec![
            range(0, Bound::Excluded(key(1)), Bound::Included(key(2))),
            range(1, Bound::Included(key(3)), Bound::Included(key(3))),
        ];
        let BoundStatement { sql, params } = table().page(&scan(ranges));
        assert_eq!(
            sql,
            "SELECT key, body FROM cards WHERE i0 > $1 AND i0 <= $2 AND i1 = $3 \
             ORDER BY i1 DESC, key DESC LIMIT $4 OFFSET $5"
        );
        let bytes = [1, 2, 3].map(|byte| Param::Bytes(vec![byte]));
        let numbers = [i64::MAX, 4].map(Param::Number);
        assert!(params.iter().eq(bytes.iter().chain(&numbers)), "{params:?}");
    }

    #[test]
    fn a_page_begins_within_its_index() {
        let place = |sort_key: Option<SortKey>| {
            Some(ViewPlace {
                sort_key,
                key: "k".to_owned(),
            })
        };
        let range = range(0, Bound::Excluded(key(1)), Bound::Unbounded);
        let by_name = ViewScan {
            after: place(Some(key(9))),
            ..scan(vec![range])
        };
        let BoundStatement { sql, params } = table().page(&by_name);
        assert_eq!(
            sql,
            "SELECT key, body FROM cards WHERE i0 > $1 AND (i1, key) < ($2, $3) \
             ORDER BY i1 DESC, key DESC LIMIT $4 OFFSET $5"
        );
        assert_eq!(params[2], Param::Key("k".to_owned()));
        let with_total = table().page_with_total(&by_name).sql;
        assert_eq!(with_total.matches("AND (i1, key) < ($2, $3)").count(), 2);
        let by_key = ViewScan {
            order: None,
            descending: false,
            after: place(None),
            ..scan(Vec::new())
        };
        let sql = table().page(&by_key).sql;
        assert!(sql.contains(" WHERE key > $1 ORDER BY key LIMIT"), "{sql}");
    }

    #[test]
    fn a_total_counts_the_views_of_the_same_ranges() {
        let ranges = vec![range(0, Bound::Excluded(key(1)), Bound::Unbounded)];
        let BoundStatement { sql, params } = table().page_with_total(&scan(ranges.clone()));
        assert_eq!(
            sql,
            "SELECT key, body, total FROM (SELECT count(*) AS total FROM cards WHERE i0 > $1) AS \
             counted LEFT JOIN (SELECT key, body, i1 FROM cards WHERE i0 > $1 ORDER BY i1 DESC, \
             key DESC LIMIT $2 OFFSET $3) AS page ON true ORDER BY i1 DESC, key DESC"
        );
        assert_eq!(params.len(), 3);
        let none = ViewScan {
            take: 0,
            ..scan(ranges)
        };
        assert_eq!(
            table().page_with_total(&none).sql,
            "SELECT NULL, NULL, count(*) FROM cards WHERE i0 > $1"
        );
    }

    #[test]
    fn an_index_that_does_not_exist_holds_nothing() {
        let ranges = vec![range(2, Bound::Included(key(1)), Bound::Unbounded)];
        let count = table().count(&scan(ranges));
        assert_eq!(count.sql, "SELECT count(*) FROM cards WHERE false");
        let by_missing = ViewScan {
            order: Some(2),
            ..scan(Vec::new())
        };
        let sql = table().page(&by_missing).sql;
        assert!(sql.contains("ORDER BY key DESC"), "{sql}");
    }
}
