use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[command_handler(crate = "cqrs_core", crate = "cqrs_core")]
fn create(_: CreateProduct) {}

fn main() {}
