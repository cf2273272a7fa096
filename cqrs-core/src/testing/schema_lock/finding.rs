use crate::wiring::Problem;

/// Something that the lock does not have yet, or that is wrong.
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// It fits all that is stored, and all programs.
    Change,
    /// It cannot be judged.
    Doubt,
    /// The previous program could not read what this one writes.
    Running,
    /// This program could not read what is stored.
    Stored,
    /// It has to be changed.
    Wrong,
}

impl Finding {
    pub(super) fn new(severity: Severity, problem: Problem) -> Self {
        Self { severity, problem }
    }

    /// A compatible change.
    pub(super) fn change(what: impl Into<String>) -> Self {
        let problem = Problem {
            what: what.into(),
            at: Vec::new(),
            write: String::new(),
        };
        Self::new(Severity::Change, problem)
    }
}
