use cqrs_core::prelude::*;

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
    fn created(state: &mut Product, _: &ProductCreated) {
        state.exists = true;
    }
}

fn main() {}
