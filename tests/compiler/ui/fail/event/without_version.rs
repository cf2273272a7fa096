use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created")]
struct ProductCreated {
    name: String,
}

fn main() {}
