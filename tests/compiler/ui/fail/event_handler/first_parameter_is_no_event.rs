use cqrs_core::prelude::*;

struct ProductCreated;

#[event_handler]
fn announce(_: ProductCreated) {}

fn main() {}
