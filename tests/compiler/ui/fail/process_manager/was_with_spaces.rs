use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order-placed", version = 1)]
struct OrderPlaced {
    #[id(Order)]
    order: u32,
}

#[derive(Default, Serialize, Deserialize)]
struct Checkout {
    paid: bool,
}

#[process_manager(name = "checkout", id(Order = u32), was = ["check out"])]
impl Checkout {
    #[start]
    fn placed(&mut self, _: &OrderPlaced) {}
}

fn main() {}
