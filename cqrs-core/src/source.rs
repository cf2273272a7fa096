use std::fmt;

use serde::Serialize;

/// Source location of a declaration. Ordered by file and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Source {
    /// File path, as passed to the compiler.
    pub file: &'static str,
    /// Line number, starting at 1.
    pub line: u32,
    /// Path of the module, starting with the crate's name. Empty for locations in code that builds
    /// a dispatcher.
    pub module: &'static str,
}

impl Source {
    /// Location of the call to a `#[track_caller]` function.
    #[track_caller]
    pub(crate) fn caller() -> Self {
        let place = std::panic::Location::caller();
        Self {
            file: place.file(),
            line: place.line(),
            module: "",
        }
    }

    /// Whether the declaration is in this module or one of its submodules.
    pub fn is_within(&self, module: &str) -> bool {
        self.module
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// The number of modules that both declarations are in.
    pub(crate) fn levels_shared(self, other: Self) -> usize {
        let both = self.module.split("::").zip(other.module.split("::"));
        both.take_while(|(own, other)| own == other).count()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
