//! One aggregate, two commands, a read model and a query, on a database file.

mod product;
mod view;

use cqrs_core::Dispatcher;
use cqrs_sqlite::Sqlite;

use product::{ChangePrice, CreateProduct, ProductId};
use view::GetProduct;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or("catalogue.db".to_owned());
    let app = Dispatcher::builder()
        .store(Sqlite::open(file).await?)
        .build()
        .await?;
    let id = ProductId("P001".to_owned());
    app.execute(CreateProduct {
        id: id.clone(),
        name: "Laptop".to_owned(),
        price: 120_000,
    })
    .await?;
    let receipt = app
        .execute(ChangePrice {
            id: id.clone(),
            price: 115_000,
        })
        .await?;
    println!("{:?}", app.query(GetProduct { id }).after(&receipt).await?);
    Ok(())
}
