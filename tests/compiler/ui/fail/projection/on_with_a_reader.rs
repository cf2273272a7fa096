use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    product_id: String,
}

struct Products;

#[projection(name = "products", version = 1)]
impl Products {
    #[on]
    fn created(_: &ProductCreated, _: ReadTx<Sqlite>) {}
}

fn main() {}
