use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-renamed", version = 1)]
struct ProductRenamed {
    #[id(Product)]
    product_id: String,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(storage = "disk", nmae = "product")]
impl Product {
    #[apply]
    fn created(&self, _: &ProductCreated) -> bool {
        self.exists
    }

    #[apply]
    fn renamed(&mut self, _: ProductRenamed) {}
}

fn main() {}
