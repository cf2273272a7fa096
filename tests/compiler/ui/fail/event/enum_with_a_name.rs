use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "stock-added", version = 1)]
struct StockAdded {
    amount: u32,
}

#[derive(Event)]
#[event(name = "restocked")]
enum Restocked {
    Partly(StockAdded),
}

fn main() {}
