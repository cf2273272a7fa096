use cqrs_core::prelude::*;

#[command_handler]
struct CreateProduct {
    product_id: String,
}

fn main() {}
