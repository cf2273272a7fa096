//! What the command line asks for.

use std::env;

use crate::Result;

/// The parts of the benchmark.
pub const SECTIONS: [&str; 6] = ["dispatch", "memory", "sqlite", "postgres", "umadb", "cost"];

/// What to run.
pub struct Args {
    sections: Vec<String>,
    /// Smaller workloads: to see that it runs, not to quote.
    pub quick: bool,
}

impl Args {
    pub fn from_env() -> Result<Self> {
        let (options, sections): (Vec<_>, Vec<_>) = env::args()
            .skip(1)
            .partition(|argument| argument.starts_with('-'));
        if let Some(option) = options.iter().find(|option| *option != "--quick") {
            return Err(format!("`{option}` is no option: there is --quick").into());
        }
        if let Some(name) = sections
            .iter()
            .find(|name| !SECTIONS.contains(&name.as_str()))
        {
            let known = SECTIONS.join(", ");
            return Err(format!("`{name}` is no part of the benchmark: there are {known}").into());
        }
        Ok(Self {
            sections,
            quick: !options.is_empty(),
        })
    }

    /// Whether this part was asked for; none named: all of them.
    pub fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|wanted| wanted == section)
    }

    /// Whether the figures are worth keeping.
    pub fn is_full(&self) -> bool {
        self.sections.is_empty() && !self.quick
    }

    /// How often each workload runs; the figure is the median.
    pub fn runs(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }
}
