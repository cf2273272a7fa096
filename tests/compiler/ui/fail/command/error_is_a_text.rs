use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = String)]
struct CreateProduct {
    product_id: String,
}

fn main() {}
