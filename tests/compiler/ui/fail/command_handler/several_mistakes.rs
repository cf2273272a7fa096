use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[command_handler(permission = "catalog:write")]
unsafe fn create<T>(cmd: &CreateProduct, _: impl Clone) {
    assert!(!cmd.product_id.is_empty());
}

fn main() {}
