use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

impl Product {
    fn exists(&self) -> bool {
        self.exists
    }
}

#[command_handler]
fn create(_: CreateProduct, product: &Product) {
    assert!(!product.exists());
}

fn main() {}
