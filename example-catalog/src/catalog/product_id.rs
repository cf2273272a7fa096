use std::fmt;
use std::str::FromStr;

use cqrs_core::prelude::*;
use cqrs_core::views::{Indexed, SortKey};

/// Identifies a product: 1 to 40 letters `a-z`, `A-Z`, digits, `-`, `_` or `.`, such as `P001`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String")]
#[schemars(example = &"P001")]
pub struct ProductId(String);

/// A text that is not a product id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no product id: one has 1 to {} of a-z, A-Z, 0-9, `-`, `_` and `.`", .0.escape_debug(), ProductId::MAX)]
pub struct BadProductId(String);

impl ProductId {
    /// Maximum length of an id.
    pub const MAX: usize = 40;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProductId {
    type Error = BadProductId;

    fn try_from(text: String) -> Result<Self, BadProductId> {
        if (1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
            return Ok(Self(text));
        }
        // The text becomes part of a message, so a long one is shortened.
        Err(BadProductId(text.chars().take(Self::MAX).collect()))
    }
}

impl FromStr for ProductId {
    type Err = BadProductId;

    fn from_str(text: &str) -> Result<Self, BadProductId> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Indexed for ProductId {
    fn sort_key(&self, key: &mut SortKey) {
        self.0.sort_key(key);
    }
}

fn is_allowed(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || b"-_.".contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["P001", "a", "x-1_2.3", &"7".repeat(ProductId::MAX)] {
            assert_eq!(good.parse::<ProductId>().expect("an id").to_string(), good);
        }
        for bad in [
            "",
            " ",
            "P 1",
            "product:1",
            "Ä",
            "a\n",
            &"7".repeat(ProductId::MAX + 1),
        ] {
            assert!(bad.parse::<ProductId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_is_a_plain_string_and_is_checked() {
        let id: ProductId = serde_json::from_str("\"P001\"").expect("an id");
        assert_eq!(serde_json::to_string(&id).expect("JSON"), "\"P001\"");
        let error = serde_json::from_str::<ProductId>("\"P\\u001b1\"").expect_err("no id");
        assert!(
            error
                .to_string()
                .starts_with("`P\\u{1b}1` is no product id"),
            "{error}"
        );
    }
}
