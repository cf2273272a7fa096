//! One aggregate, two commands, a read model and a query, on a database file.

mod product;
mod tables;
mod view;

use std::sync::Arc;

use cqrs_es::persist::GenericQuery;
use sqlite_es::{SqliteViewRepository, default_sqlite_pool, sqlite_cqrs};

use product::{Product, ProductCommand};
use view::ProductView;

type Views = SqliteViewRepository<ProductView, Product>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or("catalogue.db".to_owned());
    let pool = default_sqlite_pool(&format!("sqlite://{file}")).await;
    tables::create(&pool).await?;
    let views = Arc::new(Views::new("product_view", pool.clone()));
    let projection = GenericQuery::<Views, ProductView, Product>::new(views.clone());
    let app = sqlite_cqrs::<Product>(pool, vec![Box::new(projection)], ());
    let create = ProductCommand::Create {
        name: "Laptop".to_owned(),
        price: 120_000,
    };
    app.execute("P001", create).await?;
    app.execute("P001", ProductCommand::ChangePrice { price: 115_000 })
        .await?;
    println!(
        "{:?}",
        GenericQuery::<Views, ProductView, Product>::new(views)
            .load("P001")
            .await
    );
    Ok(())
}
