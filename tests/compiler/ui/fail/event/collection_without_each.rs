use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "products-merged", version = 1)]
struct ProductsMerged {
    #[id(Product)]
    products: Vec<String>,
}

fn main() {}
