use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[command_handler]
fn create(cmd: &CreateProduct) {
    assert!(!cmd.product_id.is_empty());
}

fn main() {}
