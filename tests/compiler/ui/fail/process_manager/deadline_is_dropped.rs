#![deny(unused_must_use)]

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

#[derive(Event, Serialize, Deserialize)]
#[event(name = "payment-due", version = 1)]
struct PaymentDue {
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
    fn placed(&mut self, event: &OrderPlaced) {
        Deadline::after(PaymentDue { order: event.order }, std::time::Duration::from_secs(60));
    }

    #[due]
    fn late(&mut self, _: &PaymentDue) -> End {
        End
    }
}

fn main() {}
