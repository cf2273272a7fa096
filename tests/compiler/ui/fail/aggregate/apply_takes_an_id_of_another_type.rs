use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: u64,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductCreated, id: &String) {
        let _ = id;
        self.exists = true;
    }
}

fn main() {}
