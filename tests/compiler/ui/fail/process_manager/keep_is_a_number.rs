use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order-placed", version = 1)]
struct OrderPlaced {
    #[id(Order)]
    order: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct ReserveStock {
    #[id(Order)]
    order: u32,
}

#[derive(Default, Serialize, Deserialize)]
struct Checkout {
    paid: bool,
}

#[process_manager(name = "checkout", id(Order = u32), keep = 30)]
impl Checkout {
    #[start]
    fn placed(&mut self, event: &OrderPlaced) -> ReserveStock {
        ReserveStock { order: event.order }
    }
}

fn main() {}
