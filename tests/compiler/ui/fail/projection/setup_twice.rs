use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    product_id: String,
}

struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[setup]
    fn tables(_: &mut Tx<Sqlite>) {}

    #[setup]
    fn indexes(_: &mut Tx<Sqlite>) {}

    #[on]
    fn created(_: &ProductCreated) {}
}

fn main() {}
