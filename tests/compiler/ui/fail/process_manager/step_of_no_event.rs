use cqrs_core::prelude::*;

struct OrderPlaced {
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

#[process_manager(name = "checkout", id(Order = u32))]
impl Checkout {
    #[start]
    fn placed(&mut self, event: &OrderPlaced) -> ReserveStock {
        ReserveStock { order: event.order }
    }
}

fn main() {}
