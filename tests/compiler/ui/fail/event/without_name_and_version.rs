use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
struct ProductCreated {
    name: String,
}

#[event_handler]
fn announce(_: ProductCreated) {}

fn main() {}
