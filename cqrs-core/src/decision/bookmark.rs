use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Receipt;
use crate::error::Invalid;
use crate::store::{Position, TagSlices};

/// The version of the text.
const VERSION: &str = "1";

/// In place of the slices, if no event of the caller is there.
const NO_EVENT: &str = "0";

/// Maximum length of the text: version, fingerprint, position and slices.
const MAX_BYTES: usize = 1 + 1 + 8 + 1 + 20 + 1 + TagSlices::MAX_BYTES;

/// A place in a log up to which a caller has written, to be passed on as text: in a header, a cookie or
/// a message. A query with `.after(&bookmark)` waits for it in any process with the same log: of a projection
/// that is divided into shards, only for those that handle the events of the caller.
///
/// The text is opaque, and checked when it is read:
///
/// ```
/// use cqrs_core::Bookmark;
/// use cqrs_core::prelude::*;
///
/// let bookmark: Bookmark = "1-5f3a9c2e-1204".parse()?;
/// assert_eq!(bookmark.to_string(), "1-5f3a9c2e-1204");
/// assert!("1-5f3a9c2e".parse::<Bookmark>().is_err());
/// # Ok::<(), Invalid>(())
/// ```
///
/// It is neither secret nor signed. One that somebody has made up has a query wait, at most for
/// [`max_wait`](crate::app::Builder::max_wait), and fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Bookmark {
    /// Fingerprint of the log's id.
    log: u32,
    position: Position,
    /// Those of the caller's events. Without names, everything up to the position is meant.
    slices: TagSlices,
    /// Whether the event there is one of the caller. A command without events has the head as its place.
    names_event: bool,
}

/// A place in the log that a query can wait for.
#[diagnostic::on_unimplemented(
    message = "a query cannot wait for `{Self}`",
    label = "neither a receipt nor a bookmark",
    note = "`.after(&receipt)` takes the result of a command, or a bookmark: read a text with \
            `text.parse::<Bookmark>()?`",
    note = "`.after_position(position)` takes a position"
)]
pub trait After {
    /// The place.
    fn bookmark(self) -> Bookmark;
}

impl Bookmark {
    /// The bookmark of events of which the last one is at this position.
    pub(crate) fn new(log: u32, position: Position, slices: TagSlices) -> Self {
        Self {
            log,
            position,
            slices,
            names_event: true,
        }
    }

    /// The bookmark of a position at which no event of the caller is.
    pub(crate) fn without_event(log: u32, position: Position) -> Self {
        Self {
            names_event: false,
            ..Self::new(log, position, TagSlices::default())
        }
    }

    /// Fingerprint of the log's id.
    pub(crate) fn log(self) -> u32 {
        self.log
    }

    pub(crate) fn position(self) -> Position {
        self.position
    }

    /// The slices of the events that are waited for.
    pub(crate) fn slices(self) -> TagSlices {
        self.slices
    }

    /// Whether the event at the position is one of the caller.
    pub(crate) fn names_event(self) -> bool {
        self.names_event
    }

    /// `None` unless the text is exactly the one that [`Display`](fmt::Display) writes.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '-');
        let (version, log, position) = (parts.next()?, parts.next()?, parts.next()?);
        let log = u32::from_str_radix(log, 16).ok()?;
        let position = Position::new(position.parse().ok()?);
        let read = match parts.next().unwrap_or_default() {
            NO_EVENT => Self::without_event(log, position),
            slices => Self::new(log, position, slices.parse().ok()?),
        };
        // Without other spellings of the same place: upper case, signs, leading zeros.
        (version == VERSION && read.to_string() == text).then_some(read)
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}-{:08x}-{}", self.log, self.position)?;
        if !self.names_event {
            return write!(f, "-{NO_EVENT}");
        }
        if self.slices.is_empty() {
            return Ok(());
        }
        write!(f, "-{}", self.slices)
    }
}

impl FromStr for Bookmark {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX_BYTES {
            let length = text.len();
            return Err(Invalid::new(format!(
                "a text of {length} bytes is not a bookmark, which has at most {MAX_BYTES}"
            )));
        }
        Self::read(text).ok_or_else(|| {
            Invalid::new(format!(
                "`{}` is not a bookmark: pass on the text that `receipt.bookmark()` or \
                 `session.bookmark()` has given, unchanged",
                text.escape_debug()
            ))
        })
    }
}

impl From<Bookmark> for String {
    fn from(bookmark: Bookmark) -> Self {
        bookmark.to_string()
    }
}

impl TryFrom<String> for Bookmark {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl After for Bookmark {
    fn bookmark(self) -> Bookmark {
        self
    }
}

impl After for &Bookmark {
    fn bookmark(self) -> Bookmark {
        *self
    }
}

// Not for a receipt itself: a lint would call the `&` of `.after(&receipt)` needless.
impl After for &Receipt {
    fn bookmark(self) -> Bookmark {
        Receipt::bookmark(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_is_read_as_it_was_written() {
        let full: Vec<String> = (0..8).map(|slice| format!("ffff{slice:04x}")).collect();
        let full: TagSlices = full.join("-").parse().expect("slices");
        let none = TagSlices::default();
        for bookmark in [
            Bookmark::new(0, Position::START, none),
            Bookmark::new(0x5f3a_9c2e, Position::new(1_204), none),
            Bookmark::new(u32::MAX, Position::new(u64::MAX), full),
            Bookmark::without_event(7, Position::new(1_204)),
        ] {
            let text = bookmark.to_string();
            assert!(text.len() <= MAX_BYTES, "{text}");
            assert_eq!(text.parse(), Ok(bookmark));
            let json = serde_json::to_string(&bookmark).expect("it has JSON");
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Bookmark>(&json).ok(), Some(bookmark));
        }
    }

    #[test]
    fn a_text_that_is_not_a_bookmark_is_refused_and_a_long_one_is_not_repeated() {
        let texts = [
            "",
            "7",
            "1-",
            "--",
            "2-5f3a9c2e-1204",
            "1-5f3a9c2e-",
            "1-5f3a9c2e--1",
            "1-5f3a9c2e-+1",
            "1-5f3a9c2e-01",
            "1-5F3A9C2E-1",
            "1-5f3a9c2-1",
            "1-5f3a9c2e-1-1",
            "1-5f3a9c2e-1-00",
            "1-5f3a9c2e-1-0-00010002",
            "1-5f3a9c2e-1-",
            "1-5f3a9c2e-1-00010400",
            "1-5f3a9c2e-1-00010002-00010001",
            "1-5f3a9c2e-1 ",
            "1-5f3a9c2e-99999999999999999999",
        ];
        for text in texts {
            let error = text.parse::<Bookmark>().expect_err(text).to_string();
            assert!(
                error.contains(text) && error.contains("receipt.bookmark()"),
                "{error}"
            );
        }
        let long = "1".repeat(1 << 20);
        let error = long
            .parse::<Bookmark>()
            .expect_err("it is long")
            .to_string();
        assert_eq!(
            error,
            "a text of 1048576 bytes is not a bookmark, which has at most 103"
        );
    }
}
