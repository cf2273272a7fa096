use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    product_id: String,
}

#[event_handler]
fn notice(_: ProductCreated, _: Reader<Sqlite>) {}

fn main() {}
