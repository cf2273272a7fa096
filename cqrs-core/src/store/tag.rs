use std::any::Any;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::scratch;

/// An aggregate that an event concerns, by name and id: `product:P001`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag of the aggregate `name` with this id.
    pub fn new(name: &str, id: impl fmt::Display) -> Self {
        Self::written(name, |text| write(text, id))
    }

    /// As [`new`](Self::new), but faster for integers and strings, as most ids are: half of the time
    /// that a tag takes is spent in the machinery of `fmt`.
    #[inline]
    pub(crate) fn of_id<I: fmt::Display + 'static>(name: &str, id: &I) -> Self {
        Self::written(name, |text| {
            if let Some(id) = natural(id) {
                write_digits(text, id);
            } else if let Some(id) = (id as &dyn Any).downcast_ref::<String>() {
                text.push_str(id);
            } else {
                write(text, id);
            }
        })
    }

    /// The tag of the aggregate `name` with the id that is written.
    #[inline]
    fn written(name: &str, write_id: impl FnOnce(&mut String)) -> Self {
        scratch::text(|text| {
            text.push_str(name);
            text.push(':');
            write_id(text);
            shared(text)
        })
    }

    /// The tag as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first colon: the aggregate's name.
    pub fn name(&self) -> &str {
        self.parts().0
    }

    /// The part after the first colon: the id.
    pub fn id(&self) -> &str {
        self.parts().1
    }

    /// The name and the id.
    #[inline]
    pub(crate) fn parts(&self) -> (&str, &str) {
        // Names are short: a search for a `char` takes longer than this.
        let colon = self.0.bytes().position(|byte| byte == b':');
        let parts = colon.and_then(|colon| Some((self.0.get(..colon)?, self.0.get(colon + 1..)?)));
        parts.unwrap_or_default()
    }
}

fn write(text: &mut String, id: impl fmt::Display) {
    // Writing to a `String` fails only if the id's `Display` does. Its output so far is the id then.
    let _ = fmt::Write::write_fmt(text, format_args!("{id}"));
}

/// The id, if it is of a common integer type and not negative.
#[inline]
fn natural<I: 'static>(id: &I) -> Option<u64> {
    let id: &dyn Any = id;
    if let Some(id) = id.downcast_ref::<u32>() {
        Some(u64::from(*id))
    } else if let Some(id) = id.downcast_ref::<u64>() {
        Some(*id)
    } else if let Some(id) = id.downcast_ref::<i32>() {
        u64::try_from(*id).ok()
    } else {
        u64::try_from(*id.downcast_ref::<i64>()?).ok()
    }
}

fn write_digits(text: &mut String, mut number: u64) {
    const MAX: usize = 20;
    let mut digits = [b'0'; MAX];
    let mut start = MAX;
    loop {
        start -= 1;
        digits[start] += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend(digits[start..].iter().copied().map(char::from));
}

/// The tag with this text. Shares the last tag of this thread if it has the same text, as the tag
/// of an event has with the aggregate that was loaded for its decision.
fn shared(text: &str) -> Tag {
    thread_local!(static LAST: RefCell<Option<Tag>> = const { RefCell::new(None) });
    LAST.with_borrow_mut(|last| match last {
        Some(last) if last.as_str() == text => last.clone(),
        _ => last.insert(Tag(text.into())).clone(),
    })
}

impl From<&str> for Tag {
    /// Reads a tag as a store wrote it.
    fn from(stored: &str) -> Self {
        Self(stored.into())
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list of distinct tags: of an event, in the order of its fields, or of an aggregate, one for
/// each of its ids.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Tag>", into = "Vec<Tag>")]
pub struct Tags(TagList);

/// The tags without an allocation for the most common numbers.
#[derive(Clone)]
enum TagList {
    One(Tag),
    Two([Tag; 2]),
    Many(Vec<Tag>),
}

impl Default for TagList {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Tags {
    /// No tags.
    pub const fn new() -> Self {
        Self(TagList::Many(Vec::new()))
    }

    /// Reads a JSON array of strings, as stores write it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(stored: &str) -> Result<Self, serde_json::Error> {
        Self::from_plain(stored).map_or_else(|| serde_json::from_str(stored), Ok)
    }

    /// Reads an array without escapes and without spaces between the strings, as nearly all are.
    /// `None` for any other.
    fn from_plain(stored: &str) -> Option<Self> {
        let mut tags = Self::new();
        let mut rest = stored.strip_prefix('[')?;
        if rest == "]" {
            return Some(tags);
        }
        loop {
            rest = rest.strip_prefix('"')?;
            let mut bytes = rest.bytes();
            let end = bytes.position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
            let (tag, quoted) = rest.split_at_checked(end)?;
            let after = quoted.strip_prefix('"')?;
            tags.push(tag.into());
            if after == "]" {
                return Some(tags);
            }
            rest = after.strip_prefix(',')?;
        }
    }

    /// Adds the tag of the aggregate `name` with this id.
    pub fn add(&mut self, name: &str, id: impl fmt::Display) {
        self.push(Tag::new(name, id));
    }

    /// Adds a tag, unless the list contains it.
    pub fn push(&mut self, tag: Tag) {
        if self.contains(&tag) {
            return;
        }
        self.0 = match mem::take(&mut self.0) {
            TagList::One(first) => TagList::Two([first, tag]),
            TagList::Two([first, second]) => TagList::Many(vec![first, second, tag]),
            TagList::Many(tags) if tags.is_empty() => TagList::One(tag),
            TagList::Many(mut tags) => {
                tags.push(tag);
                TagList::Many(tags)
            }
        };
    }

    /// The tags as a slice.
    pub fn as_slice(&self) -> &[Tag] {
        match &self.0 {
            TagList::One(tag) => std::slice::from_ref(tag),
            TagList::Two(tags) => tags,
            TagList::Many(tags) => tags,
        }
    }

    /// The tags, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tag> {
        self.as_slice().iter()
    }

    /// Whether the list contains this tag.
    pub fn contains(&self, tag: &Tag) -> bool {
        self.as_slice().contains(tag)
    }

    /// Whether the list contains all of these tags.
    pub fn contains_all(&self, tags: &Self) -> bool {
        tags.iter().all(|tag| self.contains(tag))
    }
}

impl PartialEq for Tags {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Tags {}

impl PartialOrd for Tags {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Tags {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Tags {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, tag) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { " and " };
            write!(f, "{separator}{tag}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tags").field(&self.as_slice()).finish()
    }
}

impl From<Tag> for Tags {
    fn from(tag: Tag) -> Self {
        Self(TagList::One(tag))
    }
}

impl From<Vec<Tag>> for Tags {
    fn from(tags: Vec<Tag>) -> Self {
        tags.into_iter().collect()
    }
}

impl From<Tags> for Vec<Tag> {
    fn from(tags: Tags) -> Self {
        tags.as_slice().to_vec()
    }
}

impl FromIterator<Tag> for Tags {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        let mut collected = Self::new();
        tags.into_iter().for_each(|tag| collected.push(tag));
        collected
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = &'a Tag;
    type IntoIter = std::slice::Iter<'a, Tag>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(texts: &[&str]) -> String {
        serde_json::to_string(texts).unwrap()
    }

    /// Writes an id, and then fails.
    struct Failing<'a>(&'a str);

    impl fmt::Display for Failing<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)?;
            Err(fmt::Error)
        }
    }

    #[test]
    fn a_tag_has_what_its_id_wrote_before_it_failed() {
        assert_eq!(Tag::new("a", Failing("1")).as_str(), "a:1");
    }

    #[test]
    fn an_id_has_the_text_of_its_display() {
        fn check<I: fmt::Display + 'static>(ids: impl IntoIterator<Item = I>) {
            for id in ids {
                assert_eq!(Tag::of_id("a", &id), Tag::new("a", &id));
                assert_eq!(Tag::of_id("a", &id).id(), id.to_string());
            }
        }
        check([0, 7, 10, 99, 100, u32::MAX]);
        check([0, 1_000_000_007, u64::MAX]);
        check([i32::MIN, -1, 0, 42, i32::MAX]);
        check([i64::MIN, -1, 0, 42, i64::MAX]);
        check([u8::MAX, 0]);
        check([u128::MAX, 0]);
        check(['c', ':']);
        check(["", "P001", "é:\0"]);
        check(["", "P001", "é:\0"].map(str::to_owned));
    }

    #[test]
    fn tags_are_read_as_they_were_written() {
        let parts = [
            "", "a:1", "b:é", "c:\"", "\\", ",", "\",\"", "]", "\n", "[", "d: ", "\u{7f}",
        ];
        for one in parts {
            for two in parts {
                for three in parts {
                    let texts = [
                        format!("1{one}{two}"),
                        format!("2{two}{three}"),
                        three.to_owned(),
                    ];
                    let texts = texts.each_ref().map(String::as_str);
                    for some in [&texts[..0], &texts[..1], &texts[..2], &texts[..]] {
                        let expected = some.iter().copied().map(Tag::from).collect();
                        assert_eq!(Tags::from_json(&json(some)).unwrap(), expected, "{some:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_plain_is_json() {
        for plain in ["[]", r#"["a:1"]"#, r#"["a:1","b:2"]"#, r#"[""]"#] {
            let tags: Vec<String> = serde_json::from_str(plain).unwrap();
            let tags = tags.iter().map(|tag| Tag::from(tag.as_str())).collect();
            assert_eq!(Tags::from_plain(plain), Some(tags), "{plain}");
        }
        let others = [
            "",
            "[",
            "]",
            "[]\"",
            "[\"a",
            "[\"a\"",
            "[\"a\"]]",
            "[\"a\",]",
            "[,\"a\"]",
            "\"a\"",
            "[\"a\" ,\"b\"]",
            "[\"a\"][\"b\"]",
            "[\"a\"]\"",
            "[1]",
            "[\"\t\"]",
            "[\"\\t\"]",
        ];
        for other in others {
            assert_eq!(Tags::from_plain(other), None, "{other}");
        }
        assert!(Tags::from_json("[\"a\", \"b\"]").is_ok());
        assert!(Tags::from_json("[\"a\",]").is_err());
    }
}
