use cqrs_core::prelude::*;

struct ProductCreated {
    product_id: String,
}

struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    fn created(_: &ProductCreated) {}
}

fn main() {}
