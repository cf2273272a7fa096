use std::fmt;

/// The schema that the tables are in, a name that needs no escaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema(String);

impl Schema {
    /// PostgreSQL cuts longer names short, and two that are cut short may be one.
    const MAX_NAME_BYTES: usize = 63;

    /// `None` unless it has only lower-case ASCII letters, digits and underscores, and begins with
    /// none of the digits.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let first = name.bytes().next()?;
        let fits = name.len() <= Self::MAX_NAME_BYTES && !first.is_ascii_digit();
        let is_plain = name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        (fits && is_plain).then(|| Self(name.to_owned()))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// A statement that was written for the schema `cqrs`, for this one.
    pub(crate) fn apply(&self, statement: &str) -> String {
        statement.replace("cqrs.", &format!("\"{}\".", self.0))
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_get_into_statements() {
        for name in ["", "1a", "a\"b", "A", "a b", &"a".repeat(64)] {
            assert_eq!(Schema::new(name), None, "{name}");
        }
        let schema = Schema::new("shop_1").unwrap();
        assert_eq!(
            schema.apply("SELECT position FROM cqrs.head"),
            "SELECT position FROM \"shop_1\".head"
        );
    }
}
