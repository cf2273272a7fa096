use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    product_id: String,
}

struct ProductRenamed;

struct ProductList;

#[projection(name = "products", version = 1, start = "now")]
impl ProductList {
    #[on]
    fn created(&self, _: &ProductCreated) {}

    #[on]
    fn renamed(_: &ProductRenamed, _: String) {}
}

fn main() {}
