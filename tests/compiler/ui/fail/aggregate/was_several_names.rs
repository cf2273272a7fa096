use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "item-listed", version = 1)]
struct ItemListed {
    #[id(Item)]
    item: String,
}

#[derive(Default)]
struct Item {
    is_listed: bool,
}

#[aggregate(id = String, was = ["product", "good"])]
impl Item {
    #[apply]
    fn listed(&mut self, _: &ItemListed) {
        self.is_listed = true;
    }
}

fn main() {}
