//! Statements that command handlers record.

use std::any::Any;
use std::fmt;

use cqrs_kit::writes::{FromValue, RecordedStatements, SqlParameter};
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
/// events, while the head of the log is locked. All appends wait for them, so they should be short. A
/// command that needs a row which another transaction has locked waits without the others.
///
/// A statement begins with `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `SELECT`, `WITH` or `CALL`. It is
/// prepared once per connection, so values should be parameters. They are owned, since they are sent
/// after the handler has ended: `name.clone()` for `&name`. They are of the types that PostgreSQL
/// expects: an `i64` for a `bigint`.
pub type SqlWrites = RecordedStatements<Parameter>;

/// A parameter of a recorded statement, which is encoded once the server has named its type.
pub struct Parameter {
    pub(crate) value: Box<dyn ToSql + Send + Sync>,
    bytes: usize,
}

/// The first words of statements that can be recorded: not those that end the transaction, or change the
/// session, which other commands share.
const FIRST_WORDS: [&str; 7] = [
    "CALL", "DELETE", "INSERT", "MERGE", "SELECT", "UPDATE", "WITH",
];

/// Whether a statement begins with a word that is allowed.
pub(crate) fn is_allowed(sql: &str) -> bool {
    let word = first_word(sql);
    FIRST_WORDS
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(word))
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

impl SqlParameter for Parameter {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: ToSql + Send + Sync + 'static> FromValue<T> for Parameter {
    fn from_value(value: T) -> Result<Self, String> {
        Ok(Self {
            bytes: size(&value),
            value: Box::new(value),
        })
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
    use cqrs_core::store::RecordedWrites;

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
            assert!(!is_allowed(sql), "{sql}");
        }
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
