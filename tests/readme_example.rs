//! The first example of the README.

use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

#[derive(Command, Clone, Serialize, Deserialize)]
struct AddProduct {
    #[id(Product)]
    id: u32,
    price: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct ChangePrice {
    #[id(Product)]
    id: u32,
    price: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-priced", version = 1)]
struct Priced {
    #[id(Product)]
    id: u32,
    price: u32,
}

#[derive(Default)]
struct Product(Option<u32>);

#[aggregate(id = u32)]
impl Product {
    #[apply]
    fn priced(&mut self, event: &Priced) {
        self.0 = Some(event.price);
    }
}

#[command_handler]
fn add(AddProduct { id, price }: AddProduct, product: &Product) -> Option<Priced> {
    product.0.is_none().then_some(Priced { id, price })
}

#[command_handler]
fn change(ChangePrice { id, price }: ChangePrice, product: &Product) -> Result<Priced, Rejected> {
    ensure!(product.0.is_some(), "there is no such product");
    Ok(Priced { id, price })
}

#[derive(ReadModel, Clone, Debug, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: u32,
    price: u32,
}

#[projection(name = "products", version = 1)]
impl ProductView {
    #[on]
    fn priced(&Priced { id, price }: &Priced, views: &mut Views<ProductView>) {
        views.put(ProductView { id, price });
    }
}

#[derive(Query, Serialize, Deserialize)]
#[query(returns = Vec<ProductView>)]
struct AllProducts;

#[query_handler]
async fn all_products(_: AllProducts, views: Read<ProductView>) -> Result<Vec<ProductView>> {
    views.find().all().await
}

#[tokio::main]
async fn main() -> Result<()> {
    let store = Sqlite::open("shop.db").await?;
    let shop = Dispatcher::builder().store(store).build().await?;
    shop.execute(AddProduct { id: 1, price: 1200 }).await?;
    let receipt = shop.execute(ChangePrice { id: 1, price: 1150 }).await?;
    println!("{:?}", shop.query(AllProducts).after(&receipt).await?);
    Ok(())
}
