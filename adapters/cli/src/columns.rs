use std::io::IsTerminal;
use std::time::Duration;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use console::Term;

use crate::out::{HEADING, escape_controls};

/// Rows in columns, under bold headings.
pub struct Columns(Table);

/// The layout of a column.
#[derive(Clone, Copy)]
pub enum Column {
    /// Names, as wide as their content.
    Left,
    /// Figures.
    Right,
    /// Text, wrapped if the terminal is too narrow.
    Text,
}

/// Space beside a table, for the indentation of a program's own.
const MARGIN: u16 = 2;

impl Columns {
    /// A table without rows.
    pub fn new<const N: usize>(headings: [(&str, Column); N]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(headings.map(|(heading, _)| heading));
        for (column, (_, kind)) in table.column_iter_mut().zip(headings) {
            if let Column::Right = kind {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if let Column::Left | Column::Right = kind {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        Self(table)
    }

    /// Adds a row. Control characters are escaped.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells.map(|cell| escape_controls(&cell)));
    }

    /// The line of the headings, then those of the rows.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .0
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        if let Some(headings) = lines.first_mut() {
            *headings = format!("{HEADING}{headings}{HEADING:#}");
        }
        lines
    }

    /// The table, fitted to the terminal, if there is one.
    pub fn fitted(mut self) -> String {
        if std::io::stdout().is_terminal()
            && let Some((_, width)) = Term::stdout().size_checked()
        {
            let width = width.saturating_sub(MARGIN);
            self.0
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        self.lines().join("\n")
    }
}

/// The age of the oldest event that is not handled, to a tenth of a second.
pub(crate) fn lag(lag: Duration) -> String {
    if lag.is_zero() {
        return "-".to_owned();
    }
    format!("{:.1} s", lag.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_short() {
        assert_eq!(lag(Duration::ZERO), "-");
        assert_eq!(lag(Duration::from_millis(1_250)), "1.2 s");
    }
}
