use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(version = 1)]
struct ProductCreated {
    name: String,
}

fn main() {}
