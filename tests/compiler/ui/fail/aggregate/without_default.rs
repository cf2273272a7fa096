use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

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

fn main() {}
