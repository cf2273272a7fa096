use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Discontinue {
    #[id(Product, each)]
    product_ids: Vec<u64>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductCreated) {
        self.exists = true;
    }
}

#[command_handler]
fn discontinue(_: Discontinue, products: Each<Product>) {
    let _ = products;
}

fn main() {}
