use std::fmt::{self, Write};

use serde::Serialize;

/// Maximum length of a path's text. Keys and depth are under the caller's control.
const MAX_CHARS: usize = 120;

/// Path to a value, as a linked list on the stack: it costs nothing until it is rendered.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: PathStep<'a>,
}

#[derive(Clone, Copy)]
enum PathStep<'a> {
    Root,
    Name(&'static str),
    Item(usize),
    Key(&'a dyn MapKey),
}

/// The key of a map.
pub(super) trait MapKey {
    /// The text of the key.
    fn text(&self) -> String;
}

impl<K: Serialize> MapKey for K {
    fn text(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        json.trim_matches('"').to_owned()
    }
}

impl<'a> Path<'a> {
    /// The path of the outermost value.
    pub(super) const ROOT: Path<'static> = Path {
        parent: None,
        step: PathStep::Root,
    };

    /// The path of a field or a variant.
    pub(super) fn name(&'a self, name: &'static str) -> Self {
        self.then(PathStep::Name(name))
    }

    /// The path of an item of a sequence.
    pub(super) fn item(&'a self, index: usize) -> Self {
        self.then(PathStep::Item(index))
    }

    /// The path of a value in a map.
    pub(super) fn key(&'a self, key: &'a dyn MapKey) -> Self {
        self.then(PathStep::Key(key))
    }

    /// Whether this is the path of the outermost value.
    pub(super) fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// The path as text, `lines[2].price`. `None` for the outermost value.
    #[cold]
    pub(super) fn text(&self) -> Option<String> {
        (!self.is_root()).then(|| shorten(self.to_string()))
    }

    fn then(&'a self, step: PathStep<'a>) -> Self {
        let parent = Some(self);
        Self { parent, step }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else {
            return Ok(());
        };
        parent.fmt(f)?;
        if let PathStep::Item(index) = self.step {
            return write!(f, "[{index}]");
        }
        if !parent.is_root() {
            f.write_char('.')?;
        }
        match self.step {
            PathStep::Name(name) => f.write_str(name),
            PathStep::Key(key) => f.write_str(&key.text()),
            PathStep::Root | PathStep::Item(_) => Ok(()),
        }
    }
}

/// Text of a path, with the middle elided if it is long.
pub(super) fn shorten(path: String) -> String {
    let chars = path.chars().count();
    if chars <= MAX_CHARS {
        return path;
    }
    let half = MAX_CHARS / 2;
    let start = path.chars().take(half);
    let end = path.chars().skip(chars - half);
    start.chain("..".chars()).chain(end).collect()
}
