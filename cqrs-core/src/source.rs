use std::fmt;

/// Where something is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file, as the compiler was given it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
    /// The module's path, which begins with the crate's name; empty for a place in the code that
    /// builds a dispatcher.
    pub module: &'static str,
}

impl Source {
    /// The place that called a `#[track_caller]` function.
    #[track_caller]
    pub(crate) fn caller() -> Self {
        let place = std::panic::Location::caller();
        Self {
            file: place.file(),
            line: place.line(),
            module: "",
        }
    }

    /// Whether it is declared in this module or below it.
    pub fn is_within(&self, module: &str) -> bool {
        self.module
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
