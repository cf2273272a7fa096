use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order-placed", version = 1)]
struct OrderPlaced {
    #[id(Order)]
    order: u32,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum StockError {
    #[error("sold out")]
    SoldOut,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = StockError)]
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

    #[rejected]
    fn refused(&mut self, _: &OrderPlaced, _: &StockError) -> End {
        End
    }
}

fn main() {}
