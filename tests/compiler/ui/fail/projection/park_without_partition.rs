use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order-placed", version = 1)]
struct OrderPlaced {
    #[id(Order)]
    order: u32,
}

struct Orders;

#[projection(name = "orders", version = 1, on_failure = "park")]
impl Orders {
    #[on]
    fn placed(_: &OrderPlaced) {}
}

fn main() {}
