use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SortKey;
use crate::error::Invalid;
use crate::store::ViewPlace;

/// The version of the text.
const VERSION: &str = "1";

/// The directions, in the text.
const ASCENDING: &str = "asc";
const DESCENDING: &str = "desc";

/// Maximum length of the text: the largest sort key and the largest key, two digits for each byte, and a name.
const MAX_BYTES: usize = 8 * SortKey::MAX_BYTES;

/// A place in the result of a search, after which [`Find::after`](super::Find::after) goes on: the
/// [`next`](super::CursorPage::next) of one page, which a caller sends with the request for the following
/// one. Views that are added or deleted before it do not move it.
///
/// The text is opaque, fit for a URL, and checked when it is read:
///
/// ```
/// use cqrs_core::prelude::*;
/// use cqrs_core::views::Cursor;
///
/// let cursor: Cursor = "1.cents.asc.000003e8.50303031".parse()?;
/// assert_eq!(cursor.to_string(), "1.cents.asc.000003e8.50303031");
/// assert!("1.cents".parse::<Cursor>().is_err());
/// # Ok::<(), Invalid>(())
/// ```
///
/// It is neither secret nor signed: it has the key of a view and what the view is sorted by, and one that
/// somebody has made up is a place like any other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cursor {
    pub(super) order: CursorOrder,
    pub(super) place: ViewPlace,
}

/// The order of a search.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CursorOrder {
    /// The name of the index. Empty for the order of keys.
    pub(super) index: String,
    pub(super) descending: bool,
}

impl Cursor {
    /// `None` unless the text is exactly the one that [`Display`](fmt::Display) writes.
    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [version, index, direction, sort_key, key] = parts[..] else {
            return None;
        };
        let is_by_key = index.is_empty();
        let read = Self {
            order: CursorOrder {
                index: index.to_owned(),
                descending: direction == DESCENDING,
            },
            place: ViewPlace {
                sort_key: match (is_by_key, sort_key) {
                    (true, "") => None,
                    (true, _) => return None,
                    (false, _) => Some(SortKey::from(bytes(sort_key)?)),
                },
                key: String::from_utf8(bytes(key)?).ok()?,
            },
        };
        // Without other spellings of the same place.
        (version == VERSION && read.to_string() == text).then_some(read)
    }
}

impl fmt::Display for CursorOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = match &*self.index {
            "" => "key",
            index => index,
        };
        let direction = if self.descending {
            "descending"
        } else {
            "ascending"
        };
        write!(f, "{index}, {direction}")
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, place } = self;
        let direction = if order.descending {
            DESCENDING
        } else {
            ASCENDING
        };
        let sort_key = place.sort_key.as_ref().map(SortKey::as_bytes);
        let (index, key) = (&order.index, digits(place.key.as_bytes()));
        let sorted_by = digits(sort_key.unwrap_or_default());
        write!(f, "{VERSION}.{index}.{direction}.{sorted_by}.{key}")
    }
}

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX_BYTES {
            let length = text.len();
            return Err(Invalid::new(format!(
                "a text of {length} bytes is not a cursor, which has at most {MAX_BYTES}"
            )));
        }
        Self::read(text).ok_or_else(|| {
            Invalid::new(format!(
                "`{}` is not a cursor: pass on the `next` of a page, unchanged",
                text.escape_debug()
            ))
        })
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl TryFrom<String> for Cursor {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Cursor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

/// Bytes as text, two digits each.
fn digits(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The inverse of [`digits`].
fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(index: &str, sort_key: Option<&[u8]>, key: &str) -> Cursor {
        Cursor {
            order: CursorOrder {
                index: index.to_owned(),
                descending: true,
            },
            place: ViewPlace {
                sort_key: sort_key.map(|bytes| SortKey::from(bytes.to_vec())),
                key: key.to_owned(),
            },
        }
    }

    #[test]
    fn the_text_is_read_back() {
        for cursor in [
            cursor("", None, ""),
            cursor("", None, "é\0"),
            cursor("price", Some(&[]), "a"),
            cursor("price", Some(&[0, 255]), "a.b"),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn every_other_text_is_refused() {
        for text in [
            "",
            "1",
            "2..asc..61",
            "1..up..61",
            "1..asc.00.61",
            "1..asc..6",
            "1..asc..6G",
            "1..asc..+6",
            "1..asc..ff",
            "1..asc..6A",
            "1..asc..61.",
            " 1..asc..61",
        ] {
            let refused = text.parse::<Cursor>().expect_err(text).to_string();
            assert!(refused.contains("is not a cursor: pass on"), "{refused}");
        }
        let long = format!("1..asc..{}", "61".repeat(MAX_BYTES));
        let refused = long.parse::<Cursor>().expect_err("is too long");
        assert!(refused.to_string().contains("at most 8192"), "{refused}");
    }
}
