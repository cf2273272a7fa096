use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    product_id: String,
}

#[command_handler]
fn create(_: CreateProduct, _: Reader<Sqlite>) {}

fn main() {}
