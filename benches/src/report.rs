//! The table.

use std::fmt::Write;

use crate::digits::figure;
use crate::goal::Goal;
use crate::runs::Runs;

/// Measurements, in the order of the report.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    goals: Vec<Goal>,
    notes: Vec<String>,
}

/// One line of the table.
pub struct Row {
    pub workload: String,
    pub who: String,
    pub unit: &'static str,
    pub runs: Runs,
    /// The 50th and 99th percentile of one command's latency.
    pub latency: Option<[Runs; 2]>,
    /// Heap allocations of one operation.
    pub allocations: Option<f64>,
    /// The ratio to another line of the same workload.
    pub against: Option<String>,
}

impl Row {
    pub fn new(workload: &str, who: &str, unit: &'static str, runs: Runs) -> Self {
        let (workload, who) = (workload.to_owned(), who.to_owned());
        Self {
            workload,
            who,
            unit,
            runs,
            latency: None,
            allocations: None,
            against: None,
        }
    }

    #[must_use]
    pub fn latency(mut self, p50: Runs, p99: Runs) -> Self {
        self.latency = Some([p50, p99]);
        self
    }

    /// Sets the ratio of this figure to the other one.
    #[must_use]
    pub fn against(mut self, who: &str, other: f64) -> Self {
        self.against = Some(format!("{:.2} x {who}", self.runs.median() / other));
        self
    }
}

impl Report {
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn goal(&mut self, goal: Goal) {
        self.goals.push(goal);
    }

    pub fn goals(&self) -> &[Goal] {
        &self.goals
    }

    /// Adds a note for readers of the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The table, the goals and the notes, as Markdown that is readable as plain text.
    pub fn markdown(&self) -> String {
        let head = [
            "workload",
            "who",
            "median",
            "lowest .. highest",
            "p50 / p99",
            "allocations",
            "ratio",
        ];
        let mut text = table(&head.map(str::to_owned), &self.cells());
        let goals: Vec<_> = self.goals.iter().map(goal_cells).collect();
        if !goals.is_empty() {
            let head = ["goal", "wanted", "measured", "met"].map(str::to_owned);
            let _ = write!(text, "\n{}", table(&head, &goals));
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    fn cells(&self) -> Vec<[String; 7]> {
        let mut before = "";
        let mut cells = Vec::new();
        for row in &self.rows {
            // A workload is named once, at its first line.
            let workload = if row.workload == before {
                ""
            } else {
                &row.workload
            };
            before = &row.workload;
            let runs = &row.runs;
            cells.push([
                workload.to_owned(),
                row.who.clone(),
                format!("{} {}", figure(runs.median()), row.unit),
                format!(
                    "{} .. {} ({})",
                    figure(runs.lowest()),
                    figure(runs.highest()),
                    runs.count()
                ),
                row.latency.as_ref().map(latency).unwrap_or_default(),
                row.allocations
                    .map(|count| format!("{count}"))
                    .unwrap_or_default(),
                row.against.clone().unwrap_or_default(),
            ]);
        }
        cells
    }
}

fn goal_cells(goal: &Goal) -> [String; 4] {
    let met = if goal.met { "yes" } else { "NO" };
    [
        goal.what.clone(),
        goal.wanted.clone(),
        goal.measured.clone(),
        met.to_owned(),
    ]
}

fn latency([p50, p99]: &[Runs; 2]) -> String {
    format!("{} / {} us", figure(p50.median()), figure(p99.median()))
}

fn table<const N: usize>(head: &[String; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N]| {
        let cells = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!(" {cell:width$} "));
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let mut text = line(head);
    let _ = writeln!(
        text,
        "|{}|",
        widths.map(|width| "-".repeat(width + 2)).join("|")
    );
    for row in rows {
        text.push_str(&line(row));
    }
    text
}
