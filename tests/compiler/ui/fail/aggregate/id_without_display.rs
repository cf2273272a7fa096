use cqrs_core::prelude::*;

#[derive(Serialize, Deserialize)]
struct ProductId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: ProductId,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = ProductId)]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductCreated) {
        self.exists = true;
    }
}

fn main() {}
