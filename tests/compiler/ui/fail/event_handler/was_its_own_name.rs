use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "item-listed", version = 1)]
struct ItemListed {
    #[id(Item)]
    item: String,
}

#[event_handler(name = "announce", was = ["announce"])]
fn announce(_: ItemListed) {}

fn main() {}
