use cqrs_cli::Column::{Left, Right, Text};
use cqrs_cli::{Columns, time};
use example_catalog::orders::{OrderCard, OrderLine};
use example_catalog::{PricePeriod, Product, ProductCard, ProductId, Status};

/// Products, one per line.
pub fn products(cards: &[ProductCard]) -> String {
    let mut table = Columns::new([
        ("ID", Left),
        ("NAME AND DESCRIPTION", Text),
        ("PRICE", Right),
        ("STOCK", Right),
        ("STATUS", Left),
        ("LAST UPDATED", Left),
    ]);
    for card in cards {
        table.row([
            card.id.to_string(),
            format!("{}\n{}", card.name, card.description)
                .trim_end()
                .to_owned(),
            format!("{:.2}", card.price),
            card.stock.to_string(),
            status(card.status).to_owned(),
            card.last_updated.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        ]);
    }
    table.fitted()
}

/// The state of a product.
pub fn product(id: &ProductId, product: &Product) -> String {
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
    table.fitted()
}

/// The prices of a product, one per line.
pub fn prices(periods: &[PricePeriod]) -> String {
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
    table.fitted()
}

/// Orders, one per line.
pub fn orders(cards: &[OrderCard]) -> String {
    let columns = [
        ("ID", Right),
        ("LINES", Text),
        ("PRICE", Right),
        ("STAGE", Left),
        ("REASON", Text),
    ];
    let mut table = Columns::new(columns);
    for card in cards {
        let lines = card.lines.iter();
        let units = lines.map(|OrderLine { product_id, units }| format!("{units} {product_id}"));
        table.row([
            card.id.to_string(),
            units.collect::<Vec<_>>().join(", "),
            format!("{:.2}", card.price),
            card.stage.to_string(),
            card.reason.clone().unwrap_or_default(),
        ]);
    }
    table.fitted()
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Unknown => "unknown",
        Status::OnSale => "on sale",
        Status::Discontinued => "discontinued",
    }
}
