//! Statements that command handlers record.

use std::borrow::Cow;
use std::fmt;

use cqrs_core::store::RecordedWrites;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value};

/// The statements of a command handler: `&mut Writes<Sqlite>` derefs to this.
///
/// ```
/// use cqrs_core::Writes;
/// use cqrs_sqlite::Sqlite;
///
/// fn add(article: u32, pieces: u32, writes: &mut Writes<Sqlite>) {
///     let add = "INSERT INTO stock (article, pieces) VALUES (?1, ?2)
///                ON CONFLICT DO UPDATE SET pieces = pieces + excluded.pieces";
///     writes.execute(add, (article, pieces));
/// }
/// ```
///
/// They are executed on the writing thread, in the transaction that appends the events of this and
/// other commands, under the same protection as in a [`Transaction`](crate::Transaction). Savepoints
/// are denied, too. All appends wait for them, so they should be short.
#[derive(Default)]
pub struct SqlWrites {
    statements: Vec<RecordedStatement>,
}

/// A statement with its parameters.
pub(crate) struct RecordedStatement {
    sql: Cow<'static, str>,
    /// Or the reason why a parameter has no value of SQLite. The command fails with it.
    params: Result<Vec<Value>, String>,
}

impl SqlWrites {
    /// Records a statement. Rows that it returns are ignored.
    ///
    /// Parameters are a tuple of up to twelve, an array, a slice or a `Vec`; `()` or `[]` for none.
    pub fn execute(&mut self, sql: impl Into<Cow<'static, str>>, params: impl StatementParams) {
        self.statements.push(RecordedStatement {
            sql: sql.into(),
            params: params.values().map_err(|error| error.to_string()),
        });
    }

    pub(crate) fn statements(&self) -> &[RecordedStatement] {
        &self.statements
    }
}

impl RecordedStatement {
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn params(&self) -> rusqlite::Result<&[Value]> {
        match &self.params {
            Ok(params) => Ok(params),
            Err(reason) => Err(rusqlite::Error::ToSqlConversionFailure(
                reason.clone().into(),
            )),
        }
    }

    fn bytes(&self) -> usize {
        let params = self.params.iter().flatten();
        let sizes = params.map(|value| match value {
            Value::Null | Value::Integer(_) | Value::Real(_) => 8,
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
        });
        self.sql.len() + sizes.sum::<usize>()
    }
}

impl fmt::Display for RecordedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)?;
        let params = match &self.params {
            Ok(params) => params,
            Err(reason) => return write!(f, " [{reason}]"),
        };
        if params.is_empty() {
            return Ok(());
        }
        f.write_str(" ")?;
        let mut list = f.debug_list();
        for value in params {
            match value {
                Value::Null => list.entry(&format_args!("NULL")),
                Value::Integer(number) => list.entry(number),
                Value::Real(number) => list.entry(number),
                Value::Text(text) => list.entry(text),
                Value::Blob(bytes) => list.entry(&format_args!("{} bytes", bytes.len())),
            };
        }
        list.finish()
    }
}

impl RecordedWrites for SqlWrites {
    fn count(&self) -> usize {
        self.statements.len()
    }

    fn bytes(&self) -> usize {
        self.statements.iter().map(RecordedStatement::bytes).sum()
    }

    fn texts(&self) -> Vec<String> {
        self.statements.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Debug for SqlWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

/// Parameters of a recorded statement, in order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of parameters of a statement",
    label = "not a tuple, array, slice or `Vec` of values of SQLite",
    note = "write a tuple of up to twelve values, `(value,)` for one, and `()` for none"
)]
pub trait StatementParams {
    /// The parameters as values of SQLite.
    ///
    /// # Errors
    /// When a parameter has no such value.
    fn values(self) -> rusqlite::Result<Vec<Value>>;
}

impl<T: ToSql> StatementParams for &[T] {
    fn values(self) -> rusqlite::Result<Vec<Value>> {
        self.iter().map(|param| value(param)).collect()
    }
}

impl<T: ToSql, const N: usize> StatementParams for [T; N] {
    fn values(self) -> rusqlite::Result<Vec<Value>> {
        self.as_slice().values()
    }
}

impl<T: ToSql> StatementParams for Vec<T> {
    fn values(self) -> rusqlite::Result<Vec<Value>> {
        self.as_slice().values()
    }
}

macro_rules! tuples {
    ($($param:ident)*) => {
        impl<$($param: ToSql),*> StatementParams for ($($param,)*) {
            fn values(self) -> rusqlite::Result<Vec<Value>> {
                #[expect(non_snake_case, reason = "a parameter is named like its type")]
                let ($($param,)*) = self;
                Ok(vec![$(value(&$param)?),*])
            }
        }
    };
}

impl StatementParams for () {
    fn values(self) -> rusqlite::Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);

fn value(param: &dyn ToSql) -> rusqlite::Result<Value> {
    match param.to_sql()? {
        ToSqlOutput::Borrowed(value) => Ok(value.try_into()?),
        ToSqlOutput::Owned(value) => Ok(value),
        _ => Err(rusqlite::Error::ToSqlConversionFailure(
            "it is no value of its own".into(),
        )),
    }
}
