use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[command_handler]
fn create<T: Default>(_: CreateProduct) -> Option<T> {
    None
}

fn main() {}
