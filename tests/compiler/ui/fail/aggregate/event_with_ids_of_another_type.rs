use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "products-created", version = 1)]
struct ProductsCreated {
    #[id(Product, each)]
    product_ids: Vec<u64>,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductsCreated) {
        self.exists = true;
    }
}

fn main() {}
