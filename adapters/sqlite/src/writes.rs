//! Statements that command handlers record.

use std::fmt;

use cqrs_kit::writes::{FromValue, RecordedStatements, SqlParameter};
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
pub type SqlWrites = RecordedStatements<Parameter>;

/// A parameter of a recorded statement.
#[derive(Clone)]
pub struct Parameter(Value);

impl SqlParameter for Parameter {
    fn bytes(&self) -> usize {
        match &self.0 {
            Value::Null | Value::Integer(_) | Value::Real(_) => 8,
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::Null => f.write_str("NULL"),
            Value::Integer(number) => number.fmt(f),
            Value::Real(number) => number.fmt(f),
            Value::Text(text) => text.fmt(f),
            Value::Blob(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl<T: ToSql> FromValue<T> for Parameter {
    fn from_value(value: T) -> Result<Self, String> {
        let value = match value.to_sql().map_err(|error| error.to_string())? {
            ToSqlOutput::Borrowed(value) => {
                Value::try_from(value).map_err(|error| error.to_string())?
            }
            ToSqlOutput::Owned(value) => value,
            _ => return Err("it is no value of its own".to_owned()),
        };
        Ok(Self(value))
    }
}
