use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order-placed", version = 1)]
struct OrderPlaced {
    #[id(Order)]
    order: u32,
}

#[event_handler(partition = Order, on_failure = "skip")]
fn announce(_: OrderPlaced) {}

fn main() {}
