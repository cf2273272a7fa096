use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "item-listed", version = 1)]
struct ItemListed {
    #[id(Item)]
    item: String,
}

#[event_handler(was = ["announce", "tell"])]
fn call(_: ItemListed) {}

fn main() {}
