use std::fmt;

use crate::source::Source;
use crate::store::StoreError;

/// The reason that a dispatcher could not be built.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Something does not fit together: all problems of the wiring, in the order of the report.
    #[error("{}", report(.0))]
    Wiring(Vec<Problem>),
    /// `build` was not awaited inside a Tokio runtime.
    #[error("a dispatcher needs a Tokio runtime with time: await `build` in `#[tokio::main]`")]
    NoRuntime,
    /// A projection's `#[setup]` method failed. None of its writes was kept, and the next `build`
    /// runs it again.
    #[error("`#[setup]` of the projection `{projection}` failed")]
    Setup {
        /// The projection's name.
        projection: &'static str,
        /// The method's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One problem of the wiring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The problem, in one line.
    pub what: String,
    /// The places in the code.
    pub at: Vec<Source>,
    /// The code that fixes it.
    pub write: String,
}

/// The problems of a wiring, as they are found.
#[derive(Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a problem. If the report has it already, adds its places.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        at: impl IntoIterator<Item = Source>,
        write: impl Into<String>,
    ) {
        let (what, write) = (what.into(), write.into());
        let known = self
            .0
            .iter()
            .position(|it| it.what == what && it.write == write);
        let place = known.unwrap_or_else(|| {
            let at = Vec::new();
            self.0.push(Problem { what, at, write });
            self.0.len() - 1
        });
        let places = &mut self.0[place].at;
        for source in at {
            // Several entries of one macro share one place.
            if !places
                .iter()
                .any(|it| (it.file, it.line) == (source.file, source.line))
            {
                places.push(source);
            }
        }
    }

    pub(crate) fn into_error(self) -> BuildError {
        BuildError::Wiring(self.0)
    }
}

/// The text of all problems.
fn report(problems: &[Problem]) -> String {
    let count = problems.len();
    let plural = if count == 1 { "" } else { "s" };
    let mut report = format!("the wiring has {count} problem{plural}");
    for problem in problems {
        report.push_str("\n\n");
        report.push_str(&problem.to_string());
    }
    report
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for source in &self.at {
            write!(f, "\n  --> {source}")?;
        }
        write!(f, "\n  = write {}", self.write)
    }
}

crate::debug_as_report!(BuildError);
