//! Statements that command handlers record.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use cqrs_core::store::RecordedWrites;
use tokio_postgres::types::ToSql;

/// The statements of a command handler: `&mut Writes<Postgres>` derefs to this.
///
/// ```
/// use cqrs_core::Writes;
/// use cqrs_postgres::Postgres;
///
/// fn add(article: i64, pieces: i64, writes: &mut Writes<Postgres>) {
///     let add = "INSERT INTO stock AS old (article, pieces) VALUES ($1, $2)
///                ON CONFLICT (article) DO UPDATE SET pieces = old.pieces + excluded.pieces";
///     writes.execute(add, (article, pieces));
/// }
/// ```
///
/// They are executed in the transaction that appends the events of this and other commands, after the
/// events, while the head of the log is locked. All appends wait for them, so they should be short, and
/// should change rows that no other transaction locks for long.
///
/// A statement begins with `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `SELECT`, `WITH` or `CALL`. It is
/// prepared once per connection, so values should be parameters.
#[derive(Default)]
pub struct SqlWrites {
    statements: Vec<RecordedStatement>,
}

/// A statement with its parameters.
pub(crate) struct RecordedStatement {
    sql: Cow<'static, str>,
    params: Vec<Parameter>,
}

/// A parameter, which is encoded once the server has named its type.
pub struct Parameter {
    pub(crate) value: Box<dyn ToSql + Send + Sync>,
    bytes: usize,
}

/// The first words of statements that can be recorded: not those that end the transaction, or change the
/// session, which other commands share.
const FIRST_WORDS: [&str; 7] = [
    "CALL", "DELETE", "INSERT", "MERGE", "SELECT", "UPDATE", "WITH",
];

impl SqlWrites {
    /// Records a statement. Rows that it returns are ignored.
    ///
    /// Parameters are a tuple of up to twelve, an array or a `Vec`; `()` for none. They are owned, and
    /// of the types that PostgreSQL expects: an `i64` for a `bigint`.
    pub fn execute(&mut self, sql: impl Into<Cow<'static, str>>, params: impl StatementParams) {
        self.statements.push(RecordedStatement {
            sql: sql.into(),
            params: params.parameters(),
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

    pub(crate) fn params(&self) -> &[Parameter] {
        &self.params
    }

    /// Whether it begins with a word that is allowed.
    pub(crate) fn is_allowed(&self) -> bool {
        let word = first_word(&self.sql);
        FIRST_WORDS
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(word))
    }

    fn bytes(&self) -> usize {
        let params = self.params.iter().map(|param| param.bytes);
        self.sql.len() + params.sum::<usize>()
    }
}

/// The first word of a statement, after spaces and comments.
fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else {
            break;
        }
        rest = rest.trim_start();
    }
    let end = rest.find(|it: char| !it.is_ascii_alphabetic());
    &rest[..end.unwrap_or(rest.len())]
}

/// The text after a comment. PostgreSQL nests them.
fn after_comment(text: &str) -> &str {
    let mut depth = 0;
    let mut rest = text;
    loop {
        match (rest.find("/*"), rest.find("*/")) {
            (Some(open), close) if close.is_none_or(|close| open < close) => {
                depth += 1;
                rest = &rest[open + 2..];
            }
            (_, Some(close)) => {
                depth -= 1;
                rest = &rest[close + 2..];
            }
            (_, None) => return "",
        }
        if depth == 0 {
            return rest;
        }
    }
}

impl fmt::Display for RecordedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)?;
        if self.params.is_empty() {
            return Ok(());
        }
        f.write_str(" ")?;
        let values = self.params.iter().map(|param| &param.value);
        f.debug_list().entries(values).finish()
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
    label = "not a tuple, array or `Vec` of owned values of PostgreSQL",
    note = "write a tuple of up to twelve values, `(value,)` for one, and `()` for none; the values \
            are owned, since they are sent after the handler has ended: `name.clone()` for `&name`"
)]
pub trait StatementParams {
    /// The parameters, to be encoded once their types are known.
    fn parameters(self) -> Vec<Parameter>;
}

impl<T: ToSql + Send + Sync + 'static> StatementParams for Vec<T> {
    fn parameters(self) -> Vec<Parameter> {
        self.into_iter().map(Parameter::new).collect()
    }
}

impl<T: ToSql + Send + Sync + 'static, const N: usize> StatementParams for [T; N] {
    fn parameters(self) -> Vec<Parameter> {
        self.into_iter().map(Parameter::new).collect()
    }
}

impl StatementParams for () {
    fn parameters(self) -> Vec<Parameter> {
        Vec::new()
    }
}

macro_rules! tuples {
    ($($param:ident)*) => {
        impl<$($param: ToSql + Send + Sync + 'static),*> StatementParams for ($($param,)*) {
            fn parameters(self) -> Vec<Parameter> {
                #[expect(non_snake_case, reason = "a parameter is named like its type")]
                let ($($param,)*) = self;
                vec![$(Parameter::new($param)),*]
            }
        }
    };
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

impl Parameter {
    fn new<T: ToSql + Send + Sync + 'static>(value: T) -> Self {
        Self {
            bytes: size(&value),
            value: Box::new(value),
        }
    }
}

/// Approximate size of a parameter. Its exact size depends on the type that the server expects.
fn size<T: 'static>(value: &T) -> usize {
    let any: &dyn Any = value;
    let texts = [
        any.downcast_ref::<String>().map(String::len),
        any.downcast_ref::<&'static str>().map(|text| text.len()),
        any.downcast_ref::<Vec<u8>>().map(Vec::len),
        any.downcast_ref::<Option<String>>()
            .map(|text| text.as_ref().map_or(0, String::len)),
        any.downcast_ref::<Option<Vec<u8>>>()
            .map(|bytes| bytes.as_ref().map_or(0, Vec::len)),
    ];
    let text = texts.into_iter().flatten().next();
    text.unwrap_or(size_of::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_spaces_and_comments() {
        let words = [
            ("", ""),
            (" \n\tinsert into a values (1)", "insert"),
            ("-- COMMIT\nDELETE FROM a", "DELETE"),
            ("/* a /* nested */ comment */ COMMIT", "COMMIT"),
            ("/**/(SELECT 1)", ""),
            ("/* open", ""),
            ("--", ""),
        ];
        for (sql, word) in words {
            assert_eq!(first_word(sql), word, "{sql}");
        }
    }

    #[test]
    fn statements_that_end_the_transaction_or_change_the_session_are_not_allowed() {
        let mut writes = SqlWrites::default();
        for sql in [
            "COMMIT",
            "ROLLBACK",
            "END",
            "ABORT",
            "BEGIN",
            "SAVEPOINT a",
            "RELEASE a",
            "PREPARE TRANSACTION 'a'",
            "SET search_path = a",
            "RESET ALL",
            "DISCARD ALL",
            "COPY a FROM STDIN",
        ] {
            writes.execute(sql, ());
        }
        assert!(writes.statements().iter().all(|it| !it.is_allowed()));
    }

    #[test]
    fn a_statement_is_shown_and_measured_with_its_parameters() {
        let mut writes = SqlWrites::default();
        let delete = "DELETE FROM a WHERE b = $1 AND c = $2";
        writes.execute(delete, (7_i64, "x".to_owned()));
        assert_eq!(writes.texts(), [format!("{delete} [7, \"x\"]")]);
        assert_eq!((writes.count(), writes.bytes()), (1, delete.len() + 8 + 1));
    }
}
