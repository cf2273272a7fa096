use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 0)]
struct ProductCreated {
    name: String,
}

fn main() {}
