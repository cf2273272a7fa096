use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1, retired = "product-drafted")]
struct ProductCreated {}

fn main() {}
