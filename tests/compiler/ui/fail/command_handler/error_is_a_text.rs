use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    product_id: String,
}

#[command_handler]
fn create(_: CreateProduct) -> Result<(), String> {
    Err("no".to_owned())
}

fn main() {}
