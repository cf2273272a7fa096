use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "price-set", version = 2)]
struct PriceSet {
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct PriceSetV1 {
    euros: u64,
}

struct Price;

#[upcast(event = "price-set", from = 1)]
fn price_set_v1(_: PriceSetV1) -> Option<Price> {
    None
}

fn main() {}
