//! Statements that command handlers record, for a log whose database has SQL.

use std::borrow::Cow;
use std::fmt;

use cqrs_core::store::RecordedWrites;

/// The statements of a command handler, for a database with parameters of type `P`.
#[derive(Clone)]
pub struct RecordedStatements<P> {
    statements: Vec<RecordedStatement<P>>,
}

/// A statement with its parameters.
#[derive(Clone)]
pub struct RecordedStatement<P> {
    sql: Cow<'static, str>,
    /// Or the reason why a value cannot be a parameter.
    params: Result<Vec<P>, String>,
}

/// A parameter, as a database takes it. The implementation of [`Debug`](fmt::Debug) shows its value.
pub trait SqlParameter: fmt::Debug + Send + Sync + 'static {
    /// Approximate size, in bytes.
    fn bytes(&self) -> usize;
}

/// A parameter that is made of a value.
pub trait FromValue<T>: SqlParameter + Sized {
    /// Makes the parameter.
    ///
    /// # Errors
    /// The reason why the value cannot be a parameter. The command fails with it.
    fn from_value(value: T) -> Result<Self, String>;
}

/// Parameters of a statement, in order: a tuple of up to twelve, an array, a slice or a `Vec`; `()` for
/// none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of parameters of a statement",
    label = "not a tuple, array, slice or `Vec` of values of the database",
    note = "write a tuple of up to twelve values, `(value,)` for one, and `()` for none"
)]
pub trait StatementParams<P> {
    /// The parameters.
    ///
    /// # Errors
    /// See [`FromValue::from_value`].
    fn parameters(self) -> Result<Vec<P>, String>;
}

impl<P: SqlParameter> RecordedStatements<P> {
    /// Records a statement. Rows that it returns are ignored.
    ///
    /// Parameters are a tuple of up to twelve, an array, a slice or a `Vec`; `()` for none.
    pub fn execute(&mut self, sql: impl Into<Cow<'static, str>>, params: impl StatementParams<P>) {
        self.statements.push(RecordedStatement {
            sql: sql.into(),
            params: params.parameters(),
        });
    }

    /// The statements, in order.
    pub fn statements(&self) -> &[RecordedStatement<P>] {
        &self.statements
    }
}

impl<P> Default for RecordedStatements<P> {
    fn default() -> Self {
        Self {
            statements: Vec::new(),
        }
    }
}

impl<P: SqlParameter> RecordedWrites for RecordedStatements<P> {
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

impl<P: SqlParameter> fmt::Debug for RecordedStatements<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl<P: SqlParameter> RecordedStatement<P> {
    /// Its text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Its parameters.
    ///
    /// # Errors
    /// The reason why a value cannot be a parameter.
    pub fn params(&self) -> Result<&[P], &str> {
        self.params.as_deref().map_err(String::as_str)
    }

    fn bytes(&self) -> usize {
        let params = self.params.iter().flatten();
        self.sql.len() + params.map(P::bytes).sum::<usize>()
    }
}

impl<P: SqlParameter> fmt::Display for RecordedStatement<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)?;
        match self.params() {
            Ok([]) => Ok(()),
            Ok(params) => write!(f, " {params:?}"),
            Err(reason) => write!(f, " [{reason}]"),
        }
    }
}

impl<P: SqlParameter> fmt::Debug for RecordedStatement<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<P> StatementParams<P> for () {
    fn parameters(self) -> Result<Vec<P>, String> {
        Ok(Vec::new())
    }
}

impl<P: FromValue<T>, T> StatementParams<P> for Vec<T> {
    fn parameters(self) -> Result<Vec<P>, String> {
        self.into_iter().map(P::from_value).collect()
    }
}

impl<P: FromValue<T>, T, const N: usize> StatementParams<P> for [T; N] {
    fn parameters(self) -> Result<Vec<P>, String> {
        self.into_iter().map(P::from_value).collect()
    }
}

impl<'v, P: FromValue<&'v T>, T> StatementParams<P> for &'v [T] {
    fn parameters(self) -> Result<Vec<P>, String> {
        self.iter().map(P::from_value).collect()
    }
}

macro_rules! tuples {
    ($($value:ident)*) => {
        impl<P: $(FromValue<$value> +)*, $($value),*> StatementParams<P> for ($($value,)*) {
            fn parameters(self) -> Result<Vec<P>, String> {
                #[expect(non_snake_case, reason = "a value is named like its type")]
                let ($($value,)*) = self;
                Ok(vec![$(P::from_value($value)?),*])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug)]
    struct Text(#[expect(dead_code, reason = "it is shown")] String, usize);

    impl SqlParameter for Text {
        fn bytes(&self) -> usize {
            self.1
        }
    }

    impl<T: ToString> FromValue<T> for Text {
        fn from_value(value: T) -> Result<Self, String> {
            let text = value.to_string();
            if text.is_empty() {
                return Err("an empty text".to_owned());
            }
            let bytes = text.len();
            Ok(Self(text, bytes))
        }
    }

    fn recorded(params: impl StatementParams<Text>) -> RecordedStatements<Text> {
        let mut statements = RecordedStatements::default();
        statements.execute("DELETE", params);
        statements
    }

    #[test]
    fn a_statement_is_shown_and_measured_with_its_parameters() {
        let statements = recorded((12, "x"));
        let shown = "DELETE [Text(\"12\", 2), Text(\"x\", 1)]";
        assert_eq!(statements.texts(), [shown]);
        assert_eq!((statements.count(), statements.bytes()), (1, 6 + 2 + 1));
        assert_eq!(recorded(()).texts(), ["DELETE"]);
    }

    #[test]
    fn all_lists_give_the_same_parameters() {
        let expected = recorded(("a", "b")).texts();
        let slice: &[&str] = &["a", "b"];
        for statements in [
            recorded(["a", "b"]),
            recorded(vec!["a", "b"]),
            recorded(slice),
        ] {
            assert_eq!(statements.texts(), expected);
        }
    }

    #[test]
    fn a_value_that_cannot_be_a_parameter_is_the_reason_of_the_failure() {
        let statements = recorded(("a", ""));
        assert_eq!(statements.texts(), ["DELETE [an empty text]"]);
        let params = statements.statements()[0].params();
        assert_eq!(params.map(<[Text]>::len), Err("an empty text"));
    }
}
