//! The figures of all goals in every full run, in `HISTORY.md`, so that a fall is seen.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::goal::{Bound, Goal};

/// Smallest part of a figure whose loss is reported.
const FALL: f64 = 0.1;

/// The lines of the file.
pub struct History {
    file: PathBuf,
    lines: Vec<Line>,
}

/// One full run.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    date: String,
    commit: String,
    machine: String,
    /// The keys of the goals, with their figures.
    figures: Vec<(String, f64)>,
}

impl History {
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)?;
        Ok(Self {
            file: file.to_owned(),
            lines: text.lines().filter_map(Line::parse).collect(),
        })
    }

    /// The figures of this line that are worse by more than 10 % than in the last line of the same
    /// machine, in words.
    pub fn changes(&self, line: &Line, goals: &[Goal]) -> Vec<String> {
        let Some(last) = self.last(&line.machine) else {
            return vec![format!("History: no full run on {} yet", line.machine)];
        };
        let since = format!("{} ({})", last.commit, last.date);
        let mut changes: Vec<_> = goals
            .iter()
            .filter_map(|goal| {
                let before = last.figure(&goal.key)?;
                is_worse(goal, before).then(|| {
                    let Goal { what, measured, .. } = goal;
                    format!("History: worse than {since}: {what}: {before:.2}, now {measured}")
                })
            })
            .collect();
        if changes.is_empty() {
            changes.push(format!("History: nothing is worse than {since}"));
        }
        changes
    }

    pub fn append(&mut self, line: &Line) -> Result<()> {
        let mut text = fs::read_to_string(&self.file)?;
        text.push_str(&format!("{line}\n"));
        fs::write(&self.file, text)?;
        self.lines.push(line.clone());
        Ok(())
    }

    fn last(&self, machine: &str) -> Option<&Line> {
        let same = |line: &&Line| line.machine == machine;
        self.lines.iter().rev().find(same)
    }
}

impl Line {
    pub fn new(date: String, commit: &str, machine: String, goals: &[Goal]) -> Self {
        let figures = goals.iter().map(|goal| (goal.key.clone(), goal.figure));
        Self {
            date,
            commit: commit.to_owned(),
            machine,
            figures: figures.collect(),
        }
    }

    /// `None` for the lines around the table's body.
    fn parse(text: &str) -> Option<Self> {
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        let &["", date, commit, machine, figures, ""] = &cells[..] else {
            return None;
        };
        let figures: Vec<_> = figures
            .split(", ")
            .filter_map(|figure| {
                let (key, figure) = figure.split_once(' ')?;
                Some((key.to_owned(), figure.parse().ok()?))
            })
            .collect();
        (!figures.is_empty()).then(|| Self {
            date: date.to_owned(),
            commit: commit.to_owned(),
            machine: machine.to_owned(),
            figures,
        })
    }

    fn figure(&self, key: &str) -> Option<f64> {
        let (_, figure) = self.figures.iter().find(|(known, _)| known == key)?;
        Some(*figure)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|(key, figure)| format!("{key} {figure:.2}"))
            .collect();
        write!(
            f,
            "| {} | {} | {} | {} |",
            self.date,
            self.commit,
            self.machine,
            figures.join(", ")
        )
    }
}

fn is_worse(goal: &Goal, before: f64) -> bool {
    match goal.bound {
        Bound::AtLeast => goal.figure < before * (1.0 - FALL),
        Bound::AtMost => goal.figure > before * (1.0 + FALL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "2 cores (some); 24 GiB of memory";

    fn history(lines: &[&str]) -> History {
        History {
            file: PathBuf::new(),
            lines: lines.iter().copied().filter_map(Line::parse).collect(),
        }
    }

    fn goals(ratio: f64, millis: f64) -> [Goal; 2] {
        [
            Goal::at_least("pg-64", "64 callers", ratio, 11.0, 1.0),
            Goal::at_most("pg-64-p99", "p99", millis, 15.0, "ms"),
        ]
    }

    fn changes(history: &History, goals: &[Goal]) -> Vec<String> {
        let line = Line::new(String::new(), "", MACHINE.to_owned(), goals);
        history.changes(&line, goals)
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let line = Line::new(
            "2026-11-27".to_owned(),
            "1a2b3c4",
            MACHINE.to_owned(),
            &goals(11.25, 6.5),
        );
        assert_eq!(Line::parse(&line.to_string()), Some(line));
    }

    #[test]
    fn the_head_of_the_table_is_no_run() {
        let lines = ["# History", "| date | commit | machine | figures |", ""];
        assert!(history(&lines).lines.is_empty());
        assert!(history(&["|---|---|---|---|"]).lines.is_empty());
    }

    #[test]
    fn figures_that_are_worse_by_more_than_a_tenth_are_named() {
        let history = history(&[
            "| 2026-11-26 | older | 2 cores (some); 24 GiB of memory | pg-64 99, pg-64-p99 1 |",
            "| 2026-11-27 | last | 2 cores (some); 24 GiB of memory | pg-64 10, pg-64-p99 10 |",
            "| 2026-11-28 | other | 8 cores (some); 24 GiB of memory | pg-64 99, pg-64-p99 1 |",
        ]);
        let within = changes(&history, &goals(9.1, 10.9));
        assert_eq!(within, ["History: nothing is worse than last (2026-11-27)"]);
        let worse = changes(&history, &goals(8.9, 11.1));
        assert_eq!(
            worse,
            [
                "History: worse than last (2026-11-27): 64 callers: 10.00, now 8.90 x",
                "History: worse than last (2026-11-27): p99: 10.00, now 11.10 ms",
            ]
        );
    }

    #[test]
    fn a_first_run_on_a_machine_is_compared_with_none() {
        let first = changes(&history(&[]), &goals(1.0, 1.0));
        assert_eq!(first.len(), 1);
        assert!(first[0].contains("no full run"));
    }
}
