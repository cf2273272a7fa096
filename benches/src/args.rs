//! The arguments of the command line.

use std::env;

use crate::Result;

/// The parts of the benchmark.
pub const SECTIONS: [&str; 11] = [
    "dispatch",
    "memory",
    "sqlite",
    "postgres",
    "processes",
    "follow",
    "cluster",
    "versions",
    "http",
    "umadb",
    "cost",
];

/// The parts and the size of a run.
pub struct Args {
    sections: Vec<String>,
    /// Whether to run smaller workloads, as a smoke test.
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

    /// Whether to run this part. Defaults to all parts.
    pub fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|wanted| wanted == section)
    }

    /// Whether all parts run at full size, so that the results are written.
    pub fn is_full(&self) -> bool {
        self.sections.is_empty() && !self.quick
    }

    /// Number of runs of each workload. The figure is their median.
    pub fn runs(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }
}
