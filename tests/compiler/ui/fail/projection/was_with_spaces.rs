use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "item-listed", version = 1)]
struct ItemListed {
    item: String,
}

struct ItemList;

#[projection(name = "items", version = 1, was = ["all products"])]
impl ItemList {
    #[on]
    fn listed(_: &ItemListed) {}
}

fn main() {}
