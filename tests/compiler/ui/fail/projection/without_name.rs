use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    product_id: String,
}

struct ProductList;

#[projection(version = 1)]
impl ProductList {
    #[on]
    fn created(_: &ProductCreated) {}
}

fn main() {}
