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

#[upcast(event = "price-set", from = 1, to = 2)]
fn price_set_v1(old: PriceSetV1) -> PriceSet {
    PriceSet { cents: old.euros * 100 }
}

fn main() {}
