use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

struct ProductCreated {
    product_id: String,
}

#[command_handler]
fn create(cmd: CreateProduct) -> ProductCreated {
    ProductCreated {
        product_id: cmd.product_id,
    }
}

fn main() {}
