use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[command_handler]
async fn create(_: CreateProduct) -> u64 {
    1
}

fn main() {}
