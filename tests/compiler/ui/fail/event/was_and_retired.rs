use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "price-set", version = 1, was = ["price-changed"], retired = ["price-changed"])]
struct PriceSet {
    cents: u64,
}

fn main() {}
