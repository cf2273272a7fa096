use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

struct Handlers;

impl Handlers {
    #[event_handler]
    fn announce(&self, _: ProductCreated) {}
}

fn main() {}
