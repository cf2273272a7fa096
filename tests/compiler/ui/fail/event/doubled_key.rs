use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1, version = 2)]
struct ProductCreated {
    name: String,
}

fn main() {}
