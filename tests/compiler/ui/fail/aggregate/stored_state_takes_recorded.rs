use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Product {
    since: Option<Timestamp>,
}

#[aggregate(id = String, storage = "state")]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductCreated, recorded: &Recorded) {
        self.since = Some(recorded.meta.time);
    }
}

fn main() {}
