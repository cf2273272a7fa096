use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "stock-added", version = 1)]
struct StockAdded {
    amount: u32,
}

#[derive(Event)]
enum Restocked {
    Partly(StockAdded),
    NotAtAll,
}

fn main() {}
