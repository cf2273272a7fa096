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

#[upcast(event = "price-set", from = 1)]
fn price_set_v1(old: PriceSetV1) -> (PriceSet, PriceSet) {
    let both = [50, 50].map(|cents| PriceSet { cents: old.euros * cents });
    both.into()
}

fn main() {}
