use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[derive(Event)]
enum ProductEvent {
    Created(ProductCreated),
}

#[event_handler]
fn announce(_: ProductEvent) {}

fn main() {}
