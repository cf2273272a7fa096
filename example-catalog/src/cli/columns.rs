use std::io::IsTerminal;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use console::Term;

use super::out::{HEADING, escape_controls};

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

/// Width of the demo's indentation.
const MARGIN: u16 = 2;

impl Columns {
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
