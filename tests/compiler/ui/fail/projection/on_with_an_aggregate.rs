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
    fn created(&mut self, _: &ProductCreated) {
        self.exists = true;
    }
}

struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    fn created(_: &ProductCreated, _: &Product) {}
}

fn main() {}
