use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order-placed", version = 1)]
struct OrderPlaced {
    #[id(Order)]
    order: u32,
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct OrderCard {
    #[key]
    order: u32,
}

struct Orders;

#[projection(name = "orders", version = 1, unchanged = "nothing")]
impl Orders {
    #[on]
    fn placed(event: &OrderPlaced, cards: &mut Views<OrderCard>) {
        cards.put(OrderCard { order: event.order });
    }
}

fn main() {}
