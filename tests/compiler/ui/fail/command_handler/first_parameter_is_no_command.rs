use cqrs_core::prelude::*;

struct CreateProduct {
    product_id: String,
}

#[command_handler]
fn create(cmd: CreateProduct) {
    assert!(!cmd.product_id.is_empty());
}

fn main() {}
