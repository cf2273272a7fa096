use std::io::IsTerminal;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use console::Term;
use cqrs_core::Timestamp;
use example_catalog::{PricePeriod, Product, ProductCard, ProductId, Status};

use super::out::{HEADING, harmless};

/// Lines in columns, under bold headings.
pub struct Columns(Table);

/// What a column is like.
#[derive(Clone, Copy)]
pub enum Column {
    /// Words, as wide as they are.
    Left,
    /// Figures.
    Right,
    /// Text that is wrapped where the terminal is too narrow.
    Text,
}

impl Columns {
    pub fn new<const N: usize>(columns: [(&str, Column); N]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(
            columns.map(|(name, column)| Cell::new(name).set_alignment(column.alignment())),
        );
        for (column, (_, side)) in table.column_iter_mut().zip(columns) {
            column.set_cell_alignment(column.alignment());
        }
        Self(table)
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells.map(|cell| harmless(&cell)));
    }

    /// The lines, headings first, each row one line.
    pub fn lines(&self) -> Vec<String> {
        styled(self.0.lines().map(|line| line.trim_end().to_owned()))
    }

    /// Wraps cells so that the lines fit the terminal, if there is one.
    pub fn fit(mut self) -> Self {
        if std::io::stdout().is_terminal()
            && let Some((_, width)) = Term::stdout().size_checked()
        {
            self.0
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        self
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }
}

impl Column {
    fn alignment(self) -> CellAlignment {
        match self {
            Self::Left | Self::Text => CellAlignment::Left,
            Self::Right => CellAlignment::Right,
        }
    }
}

fn styled(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.collect();
    if let Some(headings) = lines.first_mut() {
        *headings = format!("{HEADING}{headings}{HEADING:#}");
    }
    lines
}

/// Products, one a line.
pub fn products(cards: &[ProductCard]) -> String {
    use Column::{Left, Right, Text};
    let mut table = Columns::new([
        ("ID", Left),
        ("NAME", Text),
        ("DESCRIPTION", Text),
        ("PRICE", Right),
        ("STOCK", Right),
        ("STATUS", Left),
        ("LAST UPDATED", Left),
    ]);
    for card in cards {
        table.row([
            card.id.to_string(),
            card.name.clone(),
            card.description.clone(),
            format!("{:.2}", card.price),
            card.stock.to_string(),
            status(card.status).to_owned(),
            card.last_updated.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        ]);
    }
    table.fit().text()
}

/// What a decision about a product depends on.
pub fn product(id: &ProductId, product: &Product) -> String {
    use Column::{Left, Right, Text};
    let columns = [
        ("ID", Left),
        ("NAME", Text),
        ("PRICE", Right),
        ("STOCK", Right),
        ("STATUS", Left),
    ];
    let mut table = Columns::new(columns);
    table.row([
        id.to_string(),
        product.name.clone(),
        format!("{:.2}", product.price),
        product.stock.to_string(),
        status(product.status).to_owned(),
    ]);
    table.fit().text()
}

/// The prices of a product, one a line.
pub fn prices(periods: &[PricePeriod]) -> String {
    use Column::{Left, Right, Text};
    let columns = [
        ("PRICE", Right),
        ("FROM", Left),
        ("UNTIL", Left),
        ("SET BY", Left),
    ];
    let mut table = Columns::new(columns);
    for PricePeriod {
        price,
        from,
        until,
        set_by,
    } in periods
    {
        table.row([
            format!("{price:.2}"),
            time(*from),
            until.map_or_else(|| "now".to_owned(), time),
            set_by.clone().unwrap_or_default(),
        ]);
    }
    table.fit().text()
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Unknown => "unknown",
        Status::OnSale => "on sale",
        Status::Discontinued => "discontinued",
    }
}

/// A time to the millisecond, in UTC.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string()
}
