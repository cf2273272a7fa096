use cqrs_core::prelude::*;

#[derive(Event)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    id: String,
}

#[derive(Default)]
struct Product;

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductCreated) {}
}

struct Products;

#[projection(name = "products", version = 1)]
impl Products {
    #[on]
    fn created(_: &ProductCreated) {}
}

#[event_handler]
fn notice(_: ProductCreated) {}

fn main() {}
